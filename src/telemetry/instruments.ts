/** The table of all instruments of the server: name, unit, description and labels of each. */
import { METRIC_RPC_SERVER_CALL_DURATION } from "@opentelemetry/semantic-conventions";

export type InstrumentKind = "histogram" | "counter" | "gauge";

export interface InstrumentRow {
  readonly name: string;
  readonly kind: InstrumentKind;
  /** As UCUM writes it. */
  readonly unit: string;
  readonly description: string;
  /** Names of the labels. Each has a small set of values: at most 21 namespaces, never keys or clients. */
  readonly labels: readonly string[];
}

function row(
  kind: InstrumentKind,
  name: string,
  unit: string,
  description: string,
  ...labels: string[]
): InstrumentRow {
  return { name, kind, unit, description, labels };
}

/** Labels of the stable RPC conventions keep their names. All others begin with `meshcache.`. */
export const instruments = {
  callDuration: row(
    "histogram",
    METRIC_RPC_SERVER_CALL_DURATION,
    "s",
    "Duration of a call from its metadata to its status; for a stream, its whole lifetime",
    "rpc.system.name",
    "rpc.method",
    "rpc.status_code",
    "error.type",
  ),
  reads: row(
    "counter",
    "meshcache.reads",
    "{read}",
    "Reads by result: hit, stale_hit, miss",
    "meshcache.outcome",
  ),
  sets: row(
    "counter",
    "meshcache.sets",
    "{set}",
    "Sets and Increments by result: stored, not_stored (a condition, a newer source version or what is there refused it)",
    "meshcache.outcome",
  ),
  touches: row(
    "counter",
    "meshcache.touches",
    "{touch}",
    "Touches that found an entry and gave it new lifetimes",
  ),
  invalidations: row(
    "counter",
    "meshcache.invalidations",
    "{invalidation}",
    "Invalidated targets, hard or soft: key, tag, prefix, all (a whole namespace)",
    "meshcache.target",
  ),
  evictions: row(
    "counter",
    "meshcache.evictions",
    "{entry}",
    "Removed entries by reason: capacity (memory was needed), expired, fenced (invalidated by tag, prefix or namespace)",
    "meshcache.reason",
  ),
  leases: row(
    "counter",
    "meshcache.leases",
    "{lease}",
    "Leases by outcome: granted, held (another caller has the lease), shared (a waiter got the value that the holder " +
      "set), filled, lost (invalidated during the load), expired, released, abandoned (its holder's stream ended), " +
      "displaced (the shard was full, and another holder had fewer), refused (a limit was reached)",
    "meshcache.outcome",
  ),
  pruned: row(
    "counter",
    "meshcache.pruned",
    "{record}",
    "Records dropped or merged because a limit was reached: tag_fence, prefix_fence (more entries than necessary become " +
      "invalid), tombstone (a Set with an older source version may be stored), request_id (a retried Set may run again)",
    "meshcache.record",
  ),
  namespaceEntries: row(
    "gauge",
    "meshcache.namespace.entries",
    "{entry}",
    "Entries of the 20 namespaces with the most reads and Sets, and of all others together",
    "meshcache.namespace",
  ),
  namespaceMemoryUsage: row(
    "gauge",
    "meshcache.namespace.memory.usage",
    "By",
    "Bytes that these entries use",
    "meshcache.namespace",
  ),
  namespaceReads: row(
    "counter",
    "meshcache.namespace.reads",
    "{read}",
    "Reads of these namespaces by result, as `meshcache.reads`",
    "meshcache.namespace",
    "meshcache.outcome",
  ),
  namespaceSets: row(
    "counter",
    "meshcache.namespace.sets",
    "{set}",
    "Sets and Increments of these namespaces by result, as `meshcache.sets`",
    "meshcache.namespace",
    "meshcache.outcome",
  ),
  namespaceInvalidations: row(
    "counter",
    "meshcache.namespace.invalidations",
    "{invalidation}",
    "Invalidated targets of these namespaces, as `meshcache.invalidations`",
    "meshcache.namespace",
    "meshcache.target",
  ),
  namespaceEvictions: row(
    "counter",
    "meshcache.namespace.evictions",
    "{entry}",
    "Removed entries of these namespaces by reason, as `meshcache.evictions`",
    "meshcache.namespace",
    "meshcache.reason",
  ),
  sharedNamespaces: row(
    "counter",
    "meshcache.namespaces.shared",
    "{operation}",
    "Mutations of namespaces beyond `namespacesMax`, which are accounted together",
  ),
  entries: row("gauge", "meshcache.entries", "{entry}", "Entries in the store", "meshcache.shard"),
  memoryUsage: row("gauge", "meshcache.memory.usage", "By", "Bytes that entries use", "meshcache.shard"),
  memoryLimit: row("gauge", "meshcache.memory.limit", "By", "Bytes that entries may use", "meshcache.shard"),
  logEvents: row(
    "gauge",
    "meshcache.log.events",
    "{event}",
    "Events that are kept for subscribers that resume",
    "meshcache.shard",
  ),
  subscribers: row("gauge", "meshcache.subscribers", "{subscriber}", "Open subscriptions"),
  subscriberLag: row(
    "gauge",
    "meshcache.subscribers.lag",
    "{event}",
    "Events that the slowest subscriber has not been sent yet",
  ),
  subscriberOverruns: row(
    "counter",
    "meshcache.subscribers.overruns",
    "{gap}",
    "Gaps that subscribers got because they read too slowly",
  ),
  tierShards: row(
    "gauge",
    "meshcache.tier.shards",
    "{shard}",
    "Shards of the shared tier by state: ready, syncing (their events are being read), held (their node is being verified), adrift (no node is known)",
    "meshcache.state",
  ),
  tierOperations: row(
    "gauge",
    "meshcache.tier.operations",
    "{operation}",
    "Operations that wait for the engine of the shared tier",
  ),
  tierCalls: row(
    "counter",
    "meshcache.tier.calls",
    "{call}",
    "Calls of the engine's functions by outcome: answered, refused, lost (their connection ended first)",
    "meshcache.outcome",
  ),
  tierEpochs: row(
    "counter",
    "meshcache.tier.epochs",
    "{epoch}",
    "Epochs of the shared tier: one at the start, and one for each time that shards have begun again",
  ),
  tierUnacknowledged: row(
    "counter",
    "meshcache.tier.unacknowledged",
    "{mutation}",
    "Mutations that ended with UNAVAILABLE since a majority of the engine's primaries knew of an election",
  ),
  connections: row("gauge", "meshcache.connections", "{connection}", "Open connections"),
  tlsHandshakes: row(
    "counter",
    "meshcache.tls.handshakes",
    "{handshake}",
    "TLS handshakes by outcome: completed, failed (by the client), refused (no certificate, or none that is trusted), late, " +
      "displaced (the oldest, when there were too many)",
    "meshcache.outcome",
  ),
  tlsCertificateExpiry: row(
    "gauge",
    "meshcache.tls.certificate.expiry",
    "s",
    "When the certificate in use expires, in seconds since 1970",
  ),
  securityFilesRefused: row(
    "gauge",
    "meshcache.security.files.refused",
    "{worker}",
    "1 while files of certificates, keys, tokens or the policy have contents that cannot be used, and the last good ones are in use; else 0",
  ),
  authenticationFailures: row(
    "counter",
    "meshcache.authentications.refused",
    "{call}",
    "Calls that were refused since it is not known whose they are: absent, malformed, unknown, expired, unavailable (the keys of an issuer are not known yet), different (the token and the certificate are of two principals), throttled (too many tokens were wrongly signed, and this one was not looked at)",
    "meshcache.reason",
  ),
  denials: row(
    "counter",
    "meshcache.operations.denied",
    "{operation}",
    "Operations that were denied by the policy, by each permission they needed: read, write, invalidate, subscribe, observe, inspect, admin",
    "meshcache.permission",
  ),
  quotaRefusals: row(
    "counter",
    "meshcache.quotas.refused",
    "{refusal}",
    "What was refused since a principal of the policy had used what it may, by what that was: operations_per_second, bytes_per_second, principal_connections, principal_streams, principal_held_bytes. The audit log says who",
    "meshcache.limit",
  ),
  busyPollTime: row(
    "counter",
    "meshcache.busy_poll.time",
    "s",
    "Time in which threads polled for the next batch instead of sleeping, and had nothing to do",
  ),
  containedFaults: row(
    "counter",
    "meshcache.contained_faults",
    "{fault}",
    "Callbacks that threw because of a fault in the server; each ended its stream or connection",
  ),
  heldBytes: row(
    "gauge",
    "meshcache.held.memory.usage",
    "By",
    "Bytes of arriving requests, waiting results and answers that were not taken",
  ),
  memoryRefusals: row(
    "counter",
    "meshcache.held.memory.refusals",
    "{call}",
    "Calls that were refused or cut because requests and answers held too much memory",
  ),
  memoryCollections: row(
    "counter",
    "meshcache.held.memory.collections",
    "{collection}",
    "Full garbage collections that were asked for, to give memory back after a burst",
  ),
  shedOperations: row(
    "counter",
    "meshcache.shed.operations",
    "{operation}",
    "Operations refused because the server had more to do than it can: set (without a lease), get",
    "meshcache.operation",
  ),
  deferredCalls: row(
    "counter",
    "meshcache.turns.deferred",
    "{call}",
    "Calls that waited for a later turn of the event loop, because the work of one was done",
  ),
  connectionsRefused: row(
    "counter",
    "meshcache.connections.refused",
    "{connection}",
    "Connections that were closed at once since there were connectionsMax of them",
  ),
  stalledConnections: row(
    "counter",
    "meshcache.connections.stalled",
    "{connection}",
    "Connections that were ended since their peers did not take what was sent to them",
  ),
  drainCuts: row(
    "counter",
    "meshcache.connections.cut",
    "{connection}",
    "Connections that a shutdown ended after drainMaxMs",
  ),
  queueOverflows: row(
    "counter",
    "meshcache.queues.overflows",
    "{overflow}",
    "How often a stream waited because frames filled a bound: stream (queueMaxBytes), process (queuesMaxBytes), " +
      "connection (memory that its calls may hold)",
    "meshcache.bound",
  ),
  refusedOperations: row(
    "counter",
    "meshcache.operations.refused",
    "{operation}",
    "Operations of batches, and frames of an Exchange, that ended with an error, by its reason",
    "meshcache.reason",
  ),
  adminConnectionsRefused: row(
    "counter",
    "meshcache.admin.connections.refused",
    "{connection}",
    "Connections to the admin port that were closed since there were too many",
  ),
  frameFloods: row(
    "counter",
    "meshcache.connections.flooded",
    "{connection}",
    "Connections that were ended since their peer sent too many HTTP/2 frames that carry nothing",
    "meshcache.frame",
  ),
  snapshotStarts: row(
    "gauge",
    "meshcache.snapshot.starts",
    "{start}",
    "1: what the store of this process began with: none (no snapshot was there), loaded, or the reason of a refusal: too_old, " +
      "clock, used, format, layout, setting, damaged, io, unfinished",
    "meshcache.outcome",
  ),
  snapshotEntries: row(
    "gauge",
    "meshcache.snapshot.entries",
    "{entry}",
    "Entries that were loaded from a snapshot at the start",
  ),
  snapshotSize: row("gauge", "meshcache.snapshot.size", "By", "Size of the snapshot that was loaded"),
  snapshotLoadTime: row("gauge", "meshcache.snapshot.load.time", "s", "How long the snapshot took to load"),
  eventLoopDelayP99: row(
    "gauge",
    "nodejs.eventloop.delay.p99",
    "s",
    "99th percentile of the event loop delay since the last collection",
  ),
  eventLoopDelayMax: row(
    "gauge",
    "nodejs.eventloop.delay.max",
    "s",
    "Longest event loop delay since the last collection",
  ),
} as const satisfies Record<string, InstrumentRow>;

/** Bucket boundaries of `rpc.server.call.duration` in seconds: those of the conventions, and more below 5 ms. */
export const CALL_DURATION_BOUNDS_S: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5,
  7.5, 10,
];

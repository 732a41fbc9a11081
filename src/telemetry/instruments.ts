/** The one table of what is measured: names, units, meanings and the values of every label. */
import { METRIC_RPC_SERVER_CALL_DURATION } from "@opentelemetry/semantic-conventions";

export type InstrumentKind = "histogram" | "counter" | "gauge";

export interface InstrumentRow {
  readonly name: string;
  readonly kind: InstrumentKind;
  /** UCUM. */
  readonly unit: string;
  readonly description: string;
  /** Names of the labels. Each has a small fixed set of values: never a namespace, a key or a client. */
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

/** Labels of the stable RPC conventions come as they are; our own begin with `meshcache.`. */
export const instruments = {
  callDuration: row(
    "histogram",
    METRIC_RPC_SERVER_CALL_DURATION,
    "s",
    "Duration of calls, from their metadata to their status; of a stream its whole life",
    "rpc.system.name",
    "rpc.method",
    "rpc.status_code",
    "error.type",
  ),
  reads: row(
    "counter",
    "meshcache.reads",
    "{read}",
    "Reads by what they found: hit, stale_hit, miss",
    "meshcache.outcome",
  ),
  sets: row("counter", "meshcache.sets", "{set}", "Sets: stored, not_stored", "meshcache.outcome"),
  touches: row("counter", "meshcache.touches", "{touch}", "Touches that gave an entry new lifetimes"),
  invalidations: row(
    "counter",
    "meshcache.invalidations",
    "{invalidation}",
    "Targets invalidated, hard or soft: key, tag, prefix, all",
    "meshcache.target",
  ),
  evictions: row(
    "counter",
    "meshcache.evictions",
    "{entry}",
    "Entries freed: capacity (memory was needed), expired, fenced (invalidated by tag, prefix or namespace)",
    "meshcache.reason",
  ),
  leases: row(
    "counter",
    "meshcache.leases",
    "{lease}",
    "Leases by what became of them: granted, held (another caller has it), shared (waited and got the fill), " +
      "filled, lost (invalidated during the load), expired, released, refused (a bound was reached)",
    "meshcache.outcome",
  ),
  pruned: row(
    "counter",
    "meshcache.pruned",
    "{record}",
    "Records that a bound pushed out, in the safe direction: tag_fence, prefix_fence, tombstone",
    "meshcache.record",
  ),
  entries: row("gauge", "meshcache.entries", "{entry}", "Entries in the store", "meshcache.shard"),
  memoryUsage: row("gauge", "meshcache.memory.usage", "By", "Bytes that entries take", "meshcache.shard"),
  memoryLimit: row("gauge", "meshcache.memory.limit", "By", "Bytes that entries may take", "meshcache.shard"),
  logEvents: row(
    "gauge",
    "meshcache.log.events",
    "{event}",
    "Events kept for subscribers that resume",
    "meshcache.shard",
  ),
  subscribers: row("gauge", "meshcache.subscribers", "{subscriber}", "Open subscriptions"),
  subscriberLag: row(
    "gauge",
    "meshcache.subscribers.lag",
    "{event}",
    "Events that the slowest subscriber has yet to be sent",
  ),
  subscriberOverruns: row(
    "counter",
    "meshcache.subscribers.overruns",
    "{gap}",
    "Gaps because a subscriber read too slowly",
  ),
  connections: row("gauge", "meshcache.connections", "{connection}", "Open connections"),
  busyPollTime: row(
    "counter",
    "meshcache.busy_poll.time",
    "s",
    "Time in which threads looked for the next batch instead of sleeping, and had nothing else to do",
  ),
  containedFaults: row(
    "counter",
    "meshcache.contained_faults",
    "{fault}",
    "Callbacks that failed by a fault of the server, each of which ended its stream or connection",
  ),
  eventLoopDelayP99: row(
    "gauge",
    "nodejs.eventloop.delay.p99",
    "s",
    "99th percentile of the event loop's delay since the last collection",
  ),
  eventLoopDelayMax: row(
    "gauge",
    "nodejs.eventloop.delay.max",
    "s",
    "Longest delay of the event loop since the last collection",
  ),
} as const satisfies Record<string, InstrumentRow>;

/** Bounds of `rpc.server.call.duration` in seconds. Finer than the conventions advise below 5 ms. */
export const CALL_DURATION_BOUNDS_S: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5,
  7.5, 10,
];

/**
 * Every setting of the server and what it means. Its default and its range are those of the part of the server that
 * it sets. The flags, the environment variables, the file's keys, `config print` and the table in docs/configuration.md
 * are made from this list.
 */
import { z } from "zod";
import { DEFAULT_ADDRESS } from "../../common/host-port.ts";
import { LIMIT_BOUNDS, type Limits } from "../../rpc/limits.ts";
import { SECURITY_BOUNDS } from "../../security/security.ts";
import { TLS_VERSIONS } from "../../security/tls/server-tls.ts";
import { ACCELERATIONS } from "../../server/connections/accelerator.ts";
import { ADMIN_CONNECTIONS_BOUND } from "../../server/limits/admin-limits.ts";
import { TRANSPORT_BOUNDS, type TransportLimits } from "../../server/limits/transport-limits.ts";
import { WORKERS_BOUND } from "../../server/workers/thread-ports.ts";
import { SNAPSHOT_BOUNDS } from "../../snapshot/bounds.ts";
import {
  DEFAULT_STORE_ENGINE,
  type NamespaceBounds,
  STORE_BOUNDS,
  STORE_ENGINES,
  storeBudgetBound,
} from "../../store/engine/store-options.ts";
import { DEFAULT_LOG_LEVEL, LOG_LEVELS } from "../../telemetry/logger.ts";
import { TIER_BOUNDS } from "../../tier/options.ts";
import { toQuantity, type Unit } from "./quantity.ts";
import {
  fileSetting,
  hostsSetting,
  INFOS,
  labelsSetting,
  listenSetting,
  namespacesSetting,
  originsSetting,
  quantitySetting,
  type SettingInfo,
  switchSetting,
  tierSetting,
  traceUrlSetting,
  urlSetting,
  userSetting,
  wordSetting,
} from "./setting.ts";

const DEFAULT_ADMIN = "127.0.0.1:9464";

function unitOf(name: string): Unit {
  if (name.endsWith("Bytes")) return "bytes";
  return name.endsWith("Ms") ? "ms" : "";
}

const limit = (name: keyof Limits, description: string) =>
  quantitySetting("Messages", unitOf(name), LIMIT_BOUNDS[name], description);
const transport = (name: keyof TransportLimits, description: string, initial?: SettingInfo["initial"]) =>
  quantitySetting("Transport", unitOf(name), TRANSPORT_BOUNDS[name], description, initial);
const store = (name: keyof typeof STORE_BOUNDS, description: string) =>
  quantitySetting("Store", unitOf(name), STORE_BOUNDS[name], description);

function describeBudget(): string {
  const { min, max } = storeBudgetBound("offheap", 1);
  const perShard = `${toQuantity(min, "bytes")} to ${toQuantity(max, "bytes")} a shard`;
  return `Memory for all entries, overhead included. Beyond, entries are evicted. ${perShard}. Less by default under a memory limit that has no room for it.`;
}

/** Strict: a key that is no setting is refused. */
export const settingsSchema = z.strictObject({
  listen: listenSetting(
    "Process",
    DEFAULT_ADDRESS,
    "Address of the gRPC port. Port 0 picks a free port, which is printed.",
  ),
  http: listenSetting(
    "Process",
    "off",
    "Address of the HTTP port: CacheService and AdminService over HTTP/1.1, with JSON too. Port 0 picks a free port.",
    true,
  ),
  httpHosts: hostsSetting(
    "Process",
    "Names by which the HTTP port is reached, as `adminHosts` has them for the admin port.",
  ),
  httpOrigins: originsSetting(
    "Process",
    "Origins whose pages in browsers may call the HTTP port, separated by commas; `*` for all. Pages of others are refused.",
  ),
  admin: listenSetting(
    "Process",
    DEFAULT_ADMIN,
    "Address of the admin port: `/metrics`, `/healthz` and `/readyz` over HTTP. Port 0 picks a free port.",
    true,
  ),
  adminHosts: hostsSetting(
    "Process",
    "Names by which the admin port is reached, separated by commas; `*.` and a name for all below it. IP addresses, `localhost`, names without a dot and the host of `admin` need none. Requests for others get 421.",
  ),
  adminConnectionsMax: quantitySetting(
    "Process",
    "",
    ADMIN_CONNECTIONS_BOUND,
    "Connections to the admin port at a time. Beyond, those without a request are closed, the oldest first.",
  ),
  console: wordSetting(
    "Process",
    ["on", "anonymous", "off"],
    "on",
    "Whether the admin port serves the console at `/console/`, and what it asks: CacheService and AdminService over HTTP. Beyond loopback only callers with an identity are answered, unless it is `anonymous`, for a port that only you can reach.",
  ),
  consoleWrite: switchSetting(
    "Process",
    "Allows callers of the admin port without an identity to change the store. With one, their permissions decide.",
  ),
  consoleTraceUrl: traceUrlSetting(
    "Process",
    "Where the console shows a trace: a URL in which `{traceId}` stands for its id.",
  ),
  consolePrometheus: urlSetting(
    "Process",
    "URL of the Prometheus that reads this server's metrics from the admin port. The console then shows more than five minutes.",
  ),
  consolePrometheusLabels: labelsSetting(
    "Process",
    'job="meshcache"',
    "The labels of this server's series there, as a selector has them.",
  ),
  // Its default, and some others, depend on the machine: see fitted-defaults.ts.
  workers: quantitySetting(
    "Process",
    "",
    WORKERS_BOUND,
    "Worker threads, which share the gRPC port and the store. By default no more than a CPU quota allows and two fifths of a memory limit have room for. Must be 1 with `storeEngine: lru`, and where a port cannot be shared (macOS, Windows).",
    { words: "all cores" },
  ),
  logLevel: wordSetting(
    "Process",
    LOG_LEVELS,
    DEFAULT_LOG_LEVEL,
    "Least severe level of the log, which goes to stderr as JSON lines.",
  ),

  tlsCert: fileSetting(
    "Security",
    "PEM file: the server's certificate, and those between it and its authority. Both ports then speak TLS.",
  ),
  tlsKey: fileSetting("Security", "PEM file: the private key of the certificate, without a passphrase."),
  tlsClientCa: fileSetting(
    "Security",
    "PEM file: authorities of client certificates. Clients without a certificate of theirs are refused.",
  ),
  tokens: fileSetting(
    "Security",
    "File of static tokens: lines of a name and the SHA-256 of a token. Calls then need a token, or a client certificate of `tlsClientCa`.",
  ),
  jwtIssuers: fileSetting(
    "Security",
    "YAML file: issuers of JSON Web Tokens, each with `name`, `issuer`, `audience` and `jwks`. Calls then need a token of theirs, or another identity.",
  ),
  policy: fileSetting(
    "Security",
    "YAML file: which principals may do what in which namespaces. What it does not allow is denied. Without it every caller may do everything.",
  ),
  tlsMinVersion: wordSetting("Security", TLS_VERSIONS, "TLSv1.3", "Oldest version of TLS that is spoken."),
  adminTls: wordSetting(
    "Security",
    ["on", "off"],
    "on",
    "Whether the admin port speaks TLS when the gRPC port does. With `tlsClientCa`, its metrics need a client certificate, and with a policy the permission `observe`; its probes need neither.",
  ),
  plaintext: switchSetting(
    "Security",
    "Allows to listen beyond loopback without TLS: only where sidecars or the network encrypt.",
  ),
  anonymous: switchSetting(
    "Security",
    "Allows to listen beyond loopback without knowing who the clients are: whoever reaches the port reads, writes and clears everything.",
  ),
  securityReloadMs: quantitySetting(
    "Security",
    "ms",
    SECURITY_BOUNDS.reloadMs,
    "How often the files of certificates, keys, tokens and the policy are read. New contents are used without a restart; where they cannot be, the last good ones stay.",
  ),

  storeEngine: wordSetting(
    "Store",
    STORE_ENGINES,
    DEFAULT_STORE_ENGINE,
    "Storage of the entries: `offheap` keeps bytes outside the JavaScript heap and evicts by S3-FIFO, `lru` keeps objects on the heap and evicts the least recently used.",
  ),
  storeBudgetBytes: store("budgetBytes", describeBudget()),
  shards: store("shards", "Parts of the store, each with its own revision, event log and leases."),
  logMaxEvents: store("logMaxEvents", "Events that each shard keeps for subscribers that resume."),
  logMaxBytes: store("logMaxBytes", "Bytes of the events that each shard keeps."),
  namespacesMax: store(
    "namespacesMax",
    "Namespaces that each shard accounts one by one. Further ones share a few accounts: what one of them overflows, those that share its account pay.",
  ),
  namespaces: namespacesSetting(
    "Store",
    "Bytes of namespaces, by name or pattern (`*`): a namespace beyond its `ceilingBytes` evicts its own entries, and others evict none of one below its `floorBytes`, which takes a full name. Floors together must fit into `storeBudgetBytes`.",
  ),
  tagFencesMax: store(
    "tagFencesMax",
    "Invalidated tags that each shard remembers. Beyond, the namespace with the most of them forgets its oldest, and loses all its tagged entries that are older.",
  ),
  prefixFencesMax: store(
    "prefixFencesMax",
    "Invalidations of prefixes that each shard remembers until they are swept. Beyond, or beyond 32 of one namespace, two of a namespace are merged: more of its entries than necessary may be removed, never fewer.",
  ),
  tombstonesMax: store(
    "tombstonesMax",
    "Source versions that each shard remembers for keys without an entry. Beyond, the namespace with the most of them forgets its oldest.",
  ),
  leasesMax: store(
    "leasesMax",
    "Leases of each shard. Beyond, a holder with many of them loses its oldest one to a holder with few; others are told to retry.",
  ),
  leasesOfHolderMax: store(
    "leasesOfHolderMax",
    "Leases of each shard that one Exchange, or the unary calls of one connection, may have. Beyond, its callers are told to retry.",
  ),
  leasesOfNamespaceMax: store(
    "leasesOfNamespaceMax",
    "Leases of each shard that one namespace may have. Beyond, its callers are told to retry.",
  ),
  leaseWaitersMax: store("waitersMax", "Callers that may wait for the lease of one key."),
  requestIdsMax: store(
    "requestIdsMax",
    "Answers to Sets with a request id that each shard remembers. Beyond, the namespace with the most of them forgets its oldest.",
  ),

  snapshot: fileSetting(
    "Snapshot",
    "File with all that the store has, written when the server stops in order, and loaded at its next start. Only with `storeEngine: offheap`. Nobody else should be able to read or write its folder.",
  ),
  snapshotMaxAgeMs: quantitySetting(
    "Snapshot",
    "ms",
    SNAPSHOT_BOUNDS.maxAgeMs,
    "A file that was written longer ago is not loaded: what was invalidated meanwhile, and did not reach the server, would come back.",
  ),

  tier: tierSetting(
    "Tier",
    "Nodes of a Valkey or Redis Cluster that keeps the entries, for several servers; the others are found. By default this process keeps them.",
  ),
  tierTls: switchSetting("Tier", "Speaks TLS to the engine."),
  tierCa: fileSetting(
    "Tier",
    "PEM file: authorities of the certificates of the engine's nodes. Default: those that Node knows.",
  ),
  tierCert: fileSetting("Tier", "PEM file: the certificate that this server shows to the engine."),
  tierKey: fileSetting("Tier", "PEM file: the private key of that certificate, without a passphrase."),
  tierUser: userSetting("Tier", "User of the engine's access control list. By default its `default` user."),
  tierPasswordFile: fileSetting(
    "Tier",
    "File with the password of that user. It is read at each connection, so that it can be replaced.",
  ),
  tierStart: wordSetting(
    "Tier",
    ["wait", "exit"],
    "wait",
    "What a server does whose engine cannot be used at its start: it says why and tries again, or ends with exit code 3 after `tierOperationMaxMs`.",
  ),
  tierOperationMaxMs: quantitySetting(
    "Tier",
    "ms",
    TIER_BOUNDS.operationMaxMs,
    "Time that an operation waits for a node of the engine and for its answer. Beyond, it ends with UNAVAILABLE, and a connection that gives no answer is closed.",
  ),

  namespaceMaxBytes: limit("namespaceMaxBytes", "Longest namespace."),
  keyMaxBytes: limit("keyMaxBytes", "Longest key, and longest prefix."),
  tagMaxBytes: limit("tagMaxBytes", "Longest tag."),
  entryMaxTags: limit("entryMaxTags", "Tags of one entry."),
  valueMaxBytes: limit("valueMaxBytes", "Largest value."),
  contentTypeMaxBytes: limit("contentTypeMaxBytes", "Longest content type."),
  lifetimeMaxMs: limit("lifetimeMaxMs", "Longest TTL, and longest stale window."),
  leaseDefaultMs: limit("leaseDefaultMs", "Time of a lease, if the request names none."),
  leaseMaxMs: limit("leaseMaxMs", "Longest lease."),
  leaseWaitMaxMs: limit("leaseWaitMaxMs", "Longest wait for the lease of another caller."),
  invalidateMaxKeys: limit("invalidateMaxKeys", "Keys in one Invalidate."),
  invalidateMaxTags: limit("invalidateMaxTags", "Tags in one Invalidate."),
  batchMaxOperations: limit("batchMaxOperations", "Operations in one batch."),
  batchMaxBytes: limit("batchMaxBytes", "Bytes of all values and text in one batch."),
  subscriptionMaxSelectors: limit("subscriptionMaxSelectors", "Selectors of one subscription."),
  subscriptionMaxPrefixes: limit("subscriptionMaxPrefixes", "Key prefixes of one subscription."),
  cursorMaxBytes: limit("cursorMaxBytes", "Longest cursor."),
  clientIdMaxBytes: limit("clientIdMaxBytes", "Longest client id."),
  receiveMaxBytes: limit("receiveMaxBytes", "Largest message received."),
  sendMaxBytes: limit("sendMaxBytes", "Largest message sent."),

  acceleration: wordSetting(
    "Transport",
    ACCELERATIONS,
    "on",
    "Serves connections by the server's own HTTP/2, and frequent calls without grpc-js. Off: node:http2 and grpc-js serve everything, with the same answers, at several times the cost.",
  ),
  connectionsMax: transport(
    "connectionsMax",
    "Concurrent connections. Beyond, a new one is closed at once. Also the number of concurrent health watches.",
  ),
  handshakeMaxMs: transport("handshakeMaxMs", "Time for a TLS handshake."),
  handshakesMax: transport(
    "handshakesMax",
    "TLS handshakes at a time on one port of a worker. Beyond, the oldest is given up.",
  ),
  connectionMaxStreams: transport(
    "connectionMaxStreams",
    "Concurrent calls on one connection. Advertised, so that a proxy opens another connection beyond.",
  ),
  connectionMaxSubscriptions: transport(
    "connectionMaxSubscriptions",
    "Concurrent streaming calls on one connection. Less than `connectionMaxStreams` refuses clients that a proxy joins in one connection.",
    { words: "connectionMaxStreams" },
  ),
  connectionIdleMs: transport("connectionIdleMs", "A connection without calls is closed after this time."),
  connectionAgeMs: transport(
    "connectionAgeMs",
    "Age at which a connection is asked to close, and its client to reconnect.",
  ),
  connectionGraceMs: transport(
    "connectionGraceMs",
    "Time that running calls get after that, before they are cut.",
  ),
  keepaliveTimeMs: transport("keepaliveTimeMs", "Interval of keepalive pings on a connection."),
  keepaliveTimeoutMs: transport(
    "keepaliveTimeoutMs",
    "A connection is closed when a ping is unanswered for this time.",
  ),
  callMaxMs: transport("callMaxMs", "Longest unary call. A longer deadline is shortened to this."),
  halfCloseMaxMs: transport(
    "halfCloseMaxMs",
    "Time for a request, or a message of a stream, to arrive completely.",
  ),
  stallMaxMs: transport("stallMaxMs", "Time for a client to read one message. A slower one is cut."),
  drainMaxMs: transport(
    "drainMaxMs",
    "Time that a shutdown waits for calls and streams before it cuts them.",
  ),
  flowControlWindowBytes: transport(
    "flowControlWindowBytes",
    "HTTP/2 window of a connection and of each of its streams.",
  ),
  headersMaxBytes: transport("headersMaxBytes", "Size of the headers of one call, as HTTP/2 counts it."),
  headersMaxPairs: transport("headersMaxPairs", "Number of headers of one call."),
  connectionMaxPingsPerSecond: transport(
    "connectionMaxPingsPerSecond",
    "PING frames on one connection in one second.",
  ),
  connectionMaxSettingsPerSecond: transport(
    "connectionMaxSettingsPerSecond",
    "SETTINGS frames on one connection in one second.",
  ),
  connectionMaxEmptyFramesPerSecond: transport(
    "connectionMaxEmptyFramesPerSecond",
    "Frames that carry nothing, such as GOAWAY, PRIORITY and empty DATA, on one connection in one second.",
  ),
  queueMaxBytes: transport("queueMaxBytes", "Bytes that may wait on one stream for its reader."),
  queuesMaxBytes: transport("queuesMaxBytes", "Bytes that may wait on all streams together."),
  connectionMaxHeldBytes: transport(
    "connectionMaxHeldBytes",
    "Bytes of arriving requests, and the same again of answers that were not taken, on one connection.",
  ),
  heldMaxBytes: transport(
    "heldMaxBytes",
    "Bytes of requests, results and answers that the calls of all connections hold. Beyond, large requests are refused and answers wait.",
  ),
  turnMaxBytes: transport(
    "turnMaxBytes",
    "Work that a worker does before it looks at its connections again, in bytes copied. An operation of a batch counts as 2 KiB, an Invalidate or a Lease as more, a unary call as 64 KiB. What does not fit waits for its turn, in which connections take turns.",
  ),
  shedDelayMs: transport(
    "shedDelayMs",
    "Wait of a call for its turn, or delay of the event loop, that is pressure if it is longer.",
  ),
  shedAfterMs: transport(
    "shedAfterMs",
    "Time that pressure lasts before operations are refused with UNAVAILABLE: Sets without a lease first, then Gets, for calls that wait alone.",
  ),
  residentMaxBytes: transport(
    "residentMaxBytes",
    "Resident memory of the process, at 90 % of which Sets without a lease are refused. By default the ceiling that `meshcache sizing` says. 0: not looked at.",
    { words: "the ceiling" },
  ),
  frameMaxEvents: transport("frameMaxEvents", "Events in one frame."),
  frameMaxBytes: transport("frameMaxBytes", "Approximate bytes of events or results in one frame."),
  progressIntervalMs: transport("progressIntervalMs", "Interval of progress frames on a Stream."),
  exchangeMaxWaitingBatches: transport(
    "exchangeMaxWaitingBatches",
    "Batches of one Exchange that may wait for leases.",
  ),
  busyPollMaxMs: transport(
    "busyPollMaxMs",
    "Time that a worker polls for the next frame after a batch of 24 operations or more on an Exchange, before it sleeps. 0: not at all, the default under a CPU quota. Set it where other processes need the cores.",
  ),
});

export type Settings = Readonly<z.output<typeof settingsSchema>>;
export type SettingName = keyof Settings;

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settingsSchema.shape, name);
}

export const SETTING_NAMES: readonly SettingName[] = Object.keys(settingsSchema.shape).filter(isSettingName);

export function infoOf(name: SettingName): SettingInfo {
  const info = INFOS.get(settingsSchema.shape[name]);
  if (info === undefined) throw new Error(`setting ${name} is not described`);
  return info;
}

/** The bounds of namespaces, as the store takes them. */
export function namespaceBounds({ namespaces }: Settings): NamespaceBounds[] {
  return Object.entries(namespaces).map(([namespace, bounds]) => ({ namespace, ...bounds }));
}

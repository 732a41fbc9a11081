/**
 * Every setting of the server and what it means. Its default and its range are those of the part of the server that
 * it sets. The flags, the environment variables, the file's keys, `config print` and the README's table are made
 * from this list.
 */
import { z } from "zod";
import { DEFAULT_ADDRESS } from "../../common/host-port.ts";
import { LIMIT_BOUNDS, type Limits } from "../../rpc/limits.ts";
import { TRANSPORT_BOUNDS, type TransportLimits } from "../../server/limits/transport-limits.ts";
import { WORKERS_BOUND } from "../../server/workers/thread-ports.ts";
import {
  DEFAULT_STORE_ENGINE,
  STORE_BOUNDS,
  STORE_ENGINES,
  storeBudgetRange,
} from "../../store/engine/create-store.ts";
import { DEFAULT_LOG_LEVEL, LOG_LEVELS } from "../../telemetry/logger.ts";
import { toQuantity, type Unit } from "./quantity.ts";
import { INFOS, listenSetting, quantitySetting, type SettingInfo, wordSetting } from "./setting.ts";

const DEFAULT_ADMIN = "127.0.0.1:9464";

function unitOf(name: string): Unit {
  if (name.endsWith("Bytes")) return "bytes";
  return name.endsWith("Ms") ? "ms" : "";
}

const limit = (name: keyof Limits, description: string) =>
  quantitySetting("Messages", unitOf(name), LIMIT_BOUNDS[name], description);
const transport = (name: keyof TransportLimits, description: string) =>
  quantitySetting("Transport", unitOf(name), TRANSPORT_BOUNDS[name], description);
const store = (name: keyof typeof STORE_BOUNDS, description: string) =>
  quantitySetting("Store", unitOf(name), STORE_BOUNDS[name], description);

function describeBudget(): string {
  const { min, max } = storeBudgetRange("offheap", 1);
  const perShard = `${toQuantity(min, "bytes")} to ${toQuantity(max, "bytes")} a shard`;
  return `For all entries, overhead included; what is least used makes room. ${perShard}.`;
}

/** Strict: a key that is no setting is refused. */
export const settingsSchema = z.strictObject({
  listen: listenSetting(
    "Process",
    DEFAULT_ADDRESS,
    "Where gRPC listens. Port 0 picks a free one and prints it.",
  ),
  admin: listenSetting(
    "Process",
    DEFAULT_ADMIN,
    "Where HTTP serves `/metrics`, `/healthz` and `/readyz`. Port 0 picks a free one.",
    true,
  ),
  // Its default depends on the machine and the engine: see workersUnlessGiven().
  workers: quantitySetting(
    "Process",
    "",
    WORKERS_BOUND,
    "Threads that serve, on one port over one store. 1 with the engine `lru`, and where no port can be shared (macOS, Windows).",
    { words: "all cores" },
  ),
  logLevel: wordSetting(
    "Process",
    LOG_LEVELS,
    DEFAULT_LOG_LEVEL,
    "The least severe log lines written, as JSON, to stderr.",
  ),

  storeEngine: wordSetting(
    "Store",
    STORE_ENGINES,
    DEFAULT_STORE_ENGINE,
    "What keeps the entries: bytes outside the garbage-collected heap (S3-FIFO), or objects on it (LRU).",
  ),
  storeBudgetBytes: store("budgetBytes", describeBudget()),
  shards: store("shards", "Parts of the store with a revision, an event log and leases of their own."),
  logMaxEvents: store("logMaxEvents", "Events that a shard keeps for subscribers that resume."),
  logMaxBytes: store("logMaxBytes", "Bytes of these events."),
  tagFencesMax: store(
    "tagFencesMax",
    "Tags of a shard whose invalidation is remembered; beyond, the oldest are forgotten in the safe direction.",
  ),
  prefixFencesMax: store(
    "prefixFencesMax",
    "Prefix and namespace invalidations of a shard that wait for their sweep; beyond, they are merged in the safe direction.",
  ),
  tombstonesMax: store("tombstonesMax", "Source versions that a shard remembers of keys without entries."),
  leasesMax: store("leasesMax", "Leases of a shard; beyond, callers are told to retry."),
  leaseWaitersMax: store("waitersMax", "Callers that wait for the lease of one key."),
  requestIdsMax: store("requestIdsMax", "Answers to Sets with a request id that a shard remembers."),

  namespaceMaxBytes: limit("namespaceMaxBytes", "Longest namespace."),
  keyMaxBytes: limit("keyMaxBytes", "Longest key, and longest prefix."),
  tagMaxBytes: limit("tagMaxBytes", "Longest tag."),
  entryMaxTags: limit("entryMaxTags", "Tags of one entry."),
  valueMaxBytes: limit("valueMaxBytes", "Largest value."),
  contentTypeMaxBytes: limit("contentTypeMaxBytes", "Longest content type."),
  lifetimeMaxMs: limit("lifetimeMaxMs", "Longest TTL, and longest stale window."),
  leaseDefaultMs: limit("leaseDefaultMs", "How long a lease holds that names no time."),
  leaseMaxMs: limit("leaseMaxMs", "Longest lease."),
  leaseWaitMaxMs: limit("leaseWaitMaxMs", "Longest wait for another caller's lease."),
  invalidateMaxKeys: limit("invalidateMaxKeys", "Keys of one Invalidate."),
  invalidateMaxTags: limit("invalidateMaxTags", "Tags of one Invalidate."),
  batchMaxOperations: limit("batchMaxOperations", "Operations of one batch."),
  batchMaxBytes: limit("batchMaxBytes", "Values and text of one batch together."),
  subscriptionMaxSelectors: limit("subscriptionMaxSelectors", "Selectors of one subscription."),
  subscriptionMaxPrefixes: limit("subscriptionMaxPrefixes", "Key prefixes of one subscription."),
  cursorMaxBytes: limit("cursorMaxBytes", "Longest cursor."),
  clientIdMaxBytes: limit("clientIdMaxBytes", "Longest client id."),
  receiveMaxBytes: limit("receiveMaxBytes", "Largest message received."),
  sendMaxBytes: limit("sendMaxBytes", "Largest message sent."),

  connectionsMax: transport(
    "connectionsMax",
    "Connections at a time; beyond, a new one is closed at once. As many may watch health.",
  ),
  connectionMaxStreams: transport("connectionMaxStreams", "Concurrent calls of one connection."),
  connectionMaxSubscriptions: transport(
    "connectionMaxSubscriptions",
    "Concurrent streaming calls of one connection.",
  ),
  connectionIdleMs: transport("connectionIdleMs", "A connection without calls is closed after this."),
  connectionAgeMs: transport("connectionAgeMs", "A connection is asked to go after this."),
  connectionGraceMs: transport("connectionGraceMs", "What still runs on it then is cut after this."),
  keepaliveTimeMs: transport("keepaliveTimeMs", "A connection is pinged this often."),
  keepaliveTimeoutMs: transport("keepaliveTimeoutMs", "A ping without an answer for this long closes it."),
  callMaxMs: transport("callMaxMs", "Longest unary call; a caller's longer deadline is cut to it."),
  halfCloseMaxMs: transport("halfCloseMaxMs", "How long a request may take to arrive whole."),
  stallMaxMs: transport(
    "stallMaxMs",
    "A reader that takes longer over one message, an answer or a frame, is cut.",
  ),
  drainMaxMs: transport("drainMaxMs", "How long a shutdown waits for calls and streams before it cuts them."),
  flowControlWindowBytes: transport(
    "flowControlWindowBytes",
    "HTTP/2 window of a connection and of each of its streams.",
  ),
  headersMaxBytes: transport("headersMaxBytes", "Headers of one call, as HTTP/2 counts them."),
  headersMaxPairs: transport("headersMaxPairs", "Headers of one call."),
  connectionMaxPingsPerSecond: transport(
    "connectionMaxPingsPerSecond",
    "PING frames of one connection within a second.",
  ),
  connectionMaxSettingsPerSecond: transport(
    "connectionMaxSettingsPerSecond",
    "SETTINGS frames of one connection within a second.",
  ),
  queueMaxBytes: transport("queueMaxBytes", "Frames of one stream that wait for its reader."),
  queuesMaxBytes: transport("queuesMaxBytes", "The same over all streams."),
  frameMaxEvents: transport("frameMaxEvents", "Events of one frame."),
  frameMaxBytes: transport("frameMaxBytes", "Bytes of one frame's events or results, about."),
  progressIntervalMs: transport("progressIntervalMs", "How often a stream is told how far it is."),
  exchangeMaxWaitingBatches: transport(
    "exchangeMaxWaitingBatches",
    "Batches of one exchange that wait for leases.",
  ),
  busyPollMaxMs: transport(
    "busyPollMaxMs",
    "How long a worker looks for the next frame after an Exchange's batch of 24 operations or more, before it sleeps. 0: never, for a CPU quota, or where other processes need the cores.",
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

/**
 * Every setting of the server, in one place: its default, unit, range and meaning. The flags, the environment
 * variables, the file's keys, `config print` and the README's table are all made from this.
 */
import { z } from "zod";
import type { Bound } from "../../common/bound.ts";
import { LIMIT_BOUNDS, type Limits } from "../../rpc/limits.ts";
import { TRANSPORT_BOUNDS, type TransportLimits } from "../../server/limits/transport-limits.ts";
import { WORKERS_MAX } from "../../server/workers/thread-ports.ts";
import { DEFAULT_STORE_ENGINE, STORE_BOUNDS, STORE_ENGINES } from "../../store/engine/store-options.ts";
import type { LogLevel } from "../../telemetry/logger.ts";
import { isEndpoint } from "./endpoint.ts";
import { parseBytes, parseCount, parseDurationMs, toQuantity, type Unit } from "./quantity.ts";

export interface SettingInfo {
  readonly group: string;
  /** The default, or what it depends on. */
  readonly initial: string | number | Dependent;
  /** Empty for a plain number and for text. */
  readonly unit: Unit;
  /** What the value may be, as the table says it. */
  readonly bound: string;
  readonly description: string;
}

/** A default that is not the same everywhere, in words. */
export interface Dependent {
  readonly words: string;
}

const PARSERS: Readonly<Record<Unit, (text: string) => number | undefined>> = {
  "": parseCount,
  bytes: parseBytes,
  ms: parseDurationMs,
};
const FORMS: Readonly<Record<Unit, string>> = {
  "": "a whole number",
  bytes: 'bytes, or a size such as "64MiB"',
  ms: 'milliseconds, or a time such as "30s"',
};

const infos = z.registry<SettingInfo>();

/** A number: its unit is what its name ends in, its default and range come from where it is enforced. */
function quantity(
  group: string,
  unit: Unit,
  { fallback, min, max }: Bound,
  description: string,
  initial: SettingInfo["initial"] = fallback,
) {
  const bound = `${toQuantity(min, unit)} to ${toQuantity(max, unit)}`;
  const error = `must be ${FORMS[unit]}, from ${bound}`;
  const number = z.int({ error }).min(min, { error }).max(max, { error });
  const fromText = (raw: unknown) => (typeof raw === "string" ? PARSERS[unit](raw) : raw);
  return z
    .preprocess(fromText, number)
    .default(fallback)
    .register(infos, { group, initial, unit, bound, description });
}

function unitOf(name: string): Unit {
  if (name.endsWith("Bytes")) return "bytes";
  return name.endsWith("Ms") ? "ms" : "";
}

const limit = (name: keyof Limits, description: string) =>
  quantity("Messages", unitOf(name), LIMIT_BOUNDS[name], description);
const transport = (name: keyof TransportLimits, description: string) =>
  quantity("Transport", unitOf(name), TRANSPORT_BOUNDS[name], description);
const store = (name: keyof typeof STORE_BOUNDS, description: string) =>
  quantity("Store", unitOf(name), STORE_BOUNDS[name], description);

const endpoint = z
  .string({ error: "must be HOST:PORT" })
  .refine(isEndpoint, { error: "must be HOST:PORT, port 0 to 65535" });
const endpointOrOff = z
  .string({ error: 'must be HOST:PORT or "off"' })
  .refine((value) => value === "off" || isEndpoint(value), {
    error: 'must be HOST:PORT, port 0 to 65535, or "off"',
  });
const logLevels = ["debug", "info", "warn", "error", "silent"] as const satisfies readonly LogLevel[];
const logLevel = z.enum(logLevels, { error: `must be one of ${logLevels.join(", ")}` });

const storeEngine = z.enum(STORE_ENGINES, { error: `must be one of ${STORE_ENGINES.join(", ")}` });

const about = (initial: string, bound: string, description: string): SettingInfo => ({
  group: "Process",
  initial,
  unit: "",
  bound,
  description,
});

/** Strict: a key that is no setting is refused. */
export const settingsSchema = z.strictObject({
  listen: endpoint
    .default("127.0.0.1:50051")
    .register(
      infos,
      about("127.0.0.1:50051", "HOST:PORT", "Where gRPC listens. Port 0 picks a free one and prints it."),
    ),
  admin: endpointOrOff
    .default("127.0.0.1:9464")
    .register(
      infos,
      about(
        "127.0.0.1:9464",
        "HOST:PORT or off",
        "Where HTTP serves `/metrics`, `/healthz` and `/readyz`. Port 0 picks a free one.",
      ),
    ),
  // What it is unless given depends on the machine and the engine: sources.ts settles that.
  workers: quantity(
    "Process",
    "",
    { fallback: 1, min: 1, max: WORKERS_MAX },
    "Threads that serve, on one port over one store. 1 with the engine `lru`, and where no port can be shared (macOS, Windows).",
    { words: "all cores" },
  ),
  logLevel: logLevel
    .default("info")
    .register(
      infos,
      about("info", logLevels.join(", "), "The least severe log lines written, as JSON, to stderr."),
    ),

  storeEngine: storeEngine.default(DEFAULT_STORE_ENGINE).register(infos, {
    ...about(
      DEFAULT_STORE_ENGINE,
      STORE_ENGINES.join(", "),
      "What keeps the entries: bytes outside the garbage-collected heap (S3-FIFO), or objects on it (LRU).",
    ),
    group: "Store",
  }),
  storeBudgetBytes: store(
    "budgetBytes",
    "For all entries, overhead included; what is least used makes room. 64 KiB to 2 GiB a shard.",
  ),
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
  const info = infos.get(settingsSchema.shape[name]);
  if (info === undefined) throw new Error(`setting ${name} is not described`);
  return info;
}

/** valueMaxBytes -> --value-max-bytes */
export function toFlag(name: SettingName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** valueMaxBytes -> MESHCACHE_VALUE_MAX_BYTES */
export function toVariable(name: SettingName): string {
  return `MESHCACHE_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** What must hold between settings: a message must be able to carry what another setting allows. */
export const RELATIONS: readonly (readonly [smaller: SettingName, greater: SettingName])[] = [
  ["valueMaxBytes", "batchMaxBytes"],
  ["batchMaxBytes", "receiveMaxBytes"],
  ["valueMaxBytes", "sendMaxBytes"],
  ["leaseDefaultMs", "leaseMaxMs"],
  ["queueMaxBytes", "queuesMaxBytes"],
];

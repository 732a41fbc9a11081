/** The client's options: their meanings, defaults and ranges, and the functions that fill in and check them. */
import { ChannelCredentials } from "@grpc/grpc-js";
import type { Clock } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import type { Rng } from "../../common/random.ts";
import { parseAddress } from "../transport/address.ts";
import type { Transport } from "../transport/transport.ts";
import {
  checkFlag,
  checkFunction,
  checkPrefixes,
  checkShare,
  checkWord,
  unreadable,
  wholeOption,
} from "./checks.ts";
import type { Codec } from "./codecs.ts";
import { ASSUMED_LIMITS } from "./server-limits.ts";

/**
 * What a near cache's values are to its readers. "frozen": decoded once, deeply frozen and shared, so that a
 * hit allocates nothing; values that cannot be frozen (bytes, maps) are decoded for each reader all the same.
 * "cloned": decoded for each reader, who may write to them.
 */
export type ValueSharing = "frozen" | "cloned";

export interface NearCacheOptions {
  /** Bytes that the copies of one namespace may take. 65,536 to 2^40; default 33,554,432 (32 MiB). */
  readonly maxBytes?: number;
  /** Default "frozen". */
  readonly values?: ValueSharing;
  /** Keep only keys that begin with one of these: at most 64, of 1 to 512 bytes. Default: all keys. */
  readonly prefixes?: readonly string[];
}

/**
 * Named starting points; any option beside it wins. "standard": the defaults. "tight": pings every 200 ms
 * under a lease of 1 s, for less staleness when a network goes silent and more pings. "remote": no near cache.
 */
export type Preset = "standard" | "tight" | "remote";

export interface TelemetryOptions {
  /** CLIENT spans for operations that go to the server. Default true; without an SDK they cost nothing. */
  readonly spans?: boolean;
  /** Also a span for each near-cache hit. Default false: a hit is faster than a span. */
  readonly nearHitSpans?: boolean;
  /** Share of near hits that is read again from the server and compared. 0 to 1; default 0. */
  readonly probeShare?: number;
}

export interface ClientOptions {
  /**
   * "host:port", an IPv6 host in brackets, or several of servers with one store behind them. With `credentials`, any
   * target of grpc-js.
   */
  readonly address: string | readonly string[];
  /**
   * Of grpc-js, which then also carries the stream, at a higher price a message. Default: none and no encryption, for
   * loopback and meshes that encrypt by themselves.
   */
  readonly credentials?: ChannelCredentials;
  /** Names this process in events: 0 to 64 of [A-Za-z0-9._-]. Default: empty. */
  readonly clientId?: string;
  /** Default "standard". */
  readonly preset?: Preset;
  /** False: every read goes to a server. */
  readonly nearCache?: false | NearCacheOptions;
  /** How long an operation may take. 1 to 600,000; default 2,000. */
  readonly deadlineMs?: number;
  /** L of the promise: the longest that a near cache trusts itself without proof. 50 to 600,000; default 5,000. */
  readonly leaseMs?: number;
  /** How often the proof is asked for. 10 to leaseMs; default 1,000. */
  readonly pingMs?: number;
  /** Operations queued or under way; more are refused with LIMIT_EXCEEDED. 1 to 2^20; default 16,384. */
  readonly inFlightMaxOperations?: number;
  /** The same for their bytes. 2 MiB to 2^40; default 67,108,864 (64 MiB). */
  readonly inFlightMaxBytes?: number;
  /** How long a server may take to greet. 1 to 600,000; default 2,000. */
  readonly connectTimeoutMs?: number;
  /** The first wait before connecting again, doubled by each failure. 1 to 600,000; default 50. */
  readonly backoffMinMs?: number;
  /** The longest such wait. backoffMinMs to 600,000; default 5,000. */
  readonly backoffMaxMs?: number;
  /** After a gap suspects are revalidated in the background, starting at random within this. 0 to 600,000; default 2,000. */
  readonly revalidateJitterMs?: number;
  /** At most so many of a namespace, about the most recently used; the others when they are read. 0 to 2^20; default 8,192. */
  readonly revalidateMaxEntries?: number;
  readonly telemetry?: TelemetryOptions;
}

/** What a simulation replaces. Not for applications. */
export interface ClientInternals {
  readonly clock?: Clock;
  readonly rng?: Rng;
  readonly transport?: Transport;
  /** Runs `flush` soon, once what is running now is done. Default: after all microtasks. */
  readonly scheduleFlush?: (flush: () => void) => void;
}

export interface ResolvedNearCache {
  readonly maxBytes: number;
  readonly values: ValueSharing;
  readonly prefixes: readonly string[];
}

export interface ResolvedClientOptions {
  readonly addresses: readonly string[];
  readonly credentials: ChannelCredentials | undefined;
  readonly clientId: string;
  readonly nearCache: ResolvedNearCache | undefined;
  readonly deadlineMs: number;
  readonly leaseMs: number;
  readonly pingMs: number;
  readonly inFlightMaxOperations: number;
  readonly inFlightMaxBytes: number;
  readonly connectTimeoutMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly revalidateJitterMs: number;
  readonly revalidateMaxEntries: number;
  readonly spans: boolean;
  readonly nearHitSpans: boolean;
  readonly probeShare: number;
}

export interface NamespaceOptions<Value> {
  readonly codec: Codec<Value>;
  /** How long a value is fresh. 0: until it is invalidated or evicted. Up to 365 days; default 0. */
  readonly ttlMs?: number;
  /** How long after that `getOrLoad` may serve it while it loads another. Up to 365 days; default 0. */
  readonly staleMs?: number;
  /** `ttlMs` of what the source does not have. Default: `ttlMs`, but at most 30,000 and never 0. */
  readonly negativeTtlMs?: number;
  /** Shortens the TTL of what `getOrLoad` stores by up to this share at random, so that what was loaded together
   * ends apart. 0 to 0.5; default 0.05. */
  readonly ttlJitter?: number;
  /** What a value that the codec cannot decode is: an error, or as good as a miss. Default "error". */
  readonly undecodable?: "error" | "miss";
  /** Overrides the client's. */
  readonly nearCache?: false | NearCacheOptions;
}

export interface ResolvedNamespaceOptions<Value> {
  readonly codec: Codec<Value>;
  /** The codec's. */
  readonly contentType: string;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly negativeTtlMs: number;
  readonly ttlJitter: number;
  readonly undecodable: "error" | "miss";
  readonly nearCache: ResolvedNearCache | undefined;
}

const MIB = 2 ** 20;
const LONGEST_WAIT_MS = 600_000;
const CLIENT_ID = /^[A-Za-z0-9._-]*$/;
const CONTENT_TYPE = /^[\x20-\x7e]*$/;
const { clientIdMaxBytes, contentTypeMaxBytes, lifetimeMaxMs } = ASSUMED_LIMITS;

const PRESETS: Readonly<Record<Preset, Partial<ClientOptions>>> = {
  standard: {},
  tight: { pingMs: 200, leaseMs: 1_000 },
  remote: { nearCache: false },
};

/** Throws FIELD_INVALID naming the option and its range. */
export function resolveClientOptions(given: ClientOptions): ResolvedClientOptions {
  if (typeof given !== "object" || given === null) throw fieldInvalid("options", "an object");
  try {
    return resolveClient({ ...given });
  } catch (error) {
    throw unreadable("options", error);
  }
}

function resolveClient(own: ClientOptions): ResolvedClientOptions {
  const preset = checkWord("preset", own.preset, "standard", ["standard", "tight", "remote"]);
  const options: ClientOptions = { ...PRESETS[preset], ...own };
  const { credentials } = options;
  if (credentials !== undefined && !(credentials instanceof ChannelCredentials)) {
    throw fieldInvalid("credentials", "ChannelCredentials of grpc-js");
  }
  const clientId = options.clientId ?? "";
  if (typeof clientId !== "string" || clientId.length > clientIdMaxBytes || !CLIENT_ID.test(clientId)) {
    throw fieldInvalid("clientId", `0 to ${clientIdMaxBytes} of [A-Za-z0-9._-]`);
  }
  const telemetry = checkGroup("telemetry", options.telemetry);
  const leaseMs = wholeOption("leaseMs", options.leaseMs, 5_000, 50, LONGEST_WAIT_MS);
  const backoffMinMs = wholeOption("backoffMinMs", options.backoffMinMs, 50, 1, LONGEST_WAIT_MS);
  return {
    addresses: checkAddresses(options.address, credentials !== undefined),
    credentials,
    clientId,
    nearCache: resolveNearCache(options.nearCache, undefined),
    deadlineMs: wholeOption("deadlineMs", options.deadlineMs, 2_000, 1, LONGEST_WAIT_MS),
    leaseMs,
    pingMs: wholeOption("pingMs", options.pingMs, Math.min(1_000, leaseMs), 10, leaseMs),
    inFlightMaxOperations: wholeOption(
      "inFlightMaxOperations",
      options.inFlightMaxOperations,
      16_384,
      1,
      MIB,
    ),
    inFlightMaxBytes: wholeOption("inFlightMaxBytes", options.inFlightMaxBytes, 64 * MIB, 2 * MIB, 2 ** 40),
    connectTimeoutMs: wholeOption("connectTimeoutMs", options.connectTimeoutMs, 2_000, 1, LONGEST_WAIT_MS),
    backoffMinMs,
    backoffMaxMs: wholeOption(
      "backoffMaxMs",
      options.backoffMaxMs,
      Math.max(5_000, backoffMinMs),
      backoffMinMs,
      LONGEST_WAIT_MS,
    ),
    revalidateJitterMs: wholeOption(
      "revalidateJitterMs",
      options.revalidateJitterMs,
      2_000,
      0,
      LONGEST_WAIT_MS,
    ),
    revalidateMaxEntries: wholeOption("revalidateMaxEntries", options.revalidateMaxEntries, 8_192, 0, MIB),
    spans: checkFlag("telemetry.spans", telemetry?.spans, true),
    nearHitSpans: checkFlag("telemetry.nearHitSpans", telemetry?.nearHitSpans, false),
    probeShare: checkShare("telemetry.probeShare", telemetry?.probeShare, 0, 1),
  };
}

function checkAddresses(address: ClientOptions["address"], areTargets: boolean): readonly string[] {
  const addresses = typeof address === "string" ? [address] : address;
  // What grpc-js makes of a target is its own to say.
  const isValid = (one: string) => typeof one === "string" && (areTargets ? one !== "" : parseAddress(one));
  const copy = Array.isArray(addresses) ? Array.from(addresses) : [];
  if (copy.length === 0 || !copy.every(isValid)) throw fieldInvalid("address", "one or more host:port");
  return copy;
}

function checkGroup<Group extends object>(field: string, group: Group | undefined): Group | undefined {
  if (group === undefined || group === null) return undefined;
  if (typeof group !== "object") throw fieldInvalid(field, "an object");
  return group;
}

/** Throws FIELD_INVALID naming the option and its range. */
export function resolveNamespaceOptions<Value>(
  given: NamespaceOptions<Value>,
  client: ResolvedClientOptions,
): ResolvedNamespaceOptions<Value> {
  if (typeof given !== "object" || given === null) throw fieldInvalid("options", "an object");
  try {
    return resolveNamespace({ ...given }, client);
  } catch (error) {
    throw unreadable("options", error);
  }
}

function resolveNamespace<Value>(
  options: NamespaceOptions<Value>,
  client: ResolvedClientOptions,
): ResolvedNamespaceOptions<Value> {
  const { codec } = options;
  const ttlMs = wholeOption("ttlMs", options.ttlMs, 0, 0, lifetimeMaxMs);
  const negativeMs = ttlMs === 0 ? 30_000 : Math.min(ttlMs, 30_000);
  return {
    codec,
    contentType: checkCodec(codec),
    ttlMs,
    staleMs: wholeOption("staleMs", options.staleMs, 0, 0, ttlMs === 0 ? 0 : lifetimeMaxMs),
    negativeTtlMs: wholeOption("negativeTtlMs", options.negativeTtlMs, negativeMs, 1, lifetimeMaxMs),
    ttlJitter: checkShare("ttlJitter", options.ttlJitter, 0.05, 0.5),
    undecodable: checkWord("undecodable", options.undecodable, "error", ["error", "miss"]),
    nearCache: resolveNearCache(options.nearCache, client.nearCache, client.nearCache === undefined),
  };
}

function resolveNearCache(
  options: false | NearCacheOptions | undefined,
  inherited: ResolvedNearCache | undefined,
  off = false,
): ResolvedNearCache | undefined {
  if (options === false) return undefined;
  const own = checkGroup("nearCache", options);
  if (own === undefined && off) return undefined;
  const maxBytes = inherited?.maxBytes ?? 32 * MIB;
  const values = inherited?.values ?? "frozen";
  return {
    maxBytes: wholeOption("nearCache.maxBytes", own?.maxBytes, maxBytes, 65_536, 2 ** 40),
    values: checkWord("nearCache.values", own?.values, values, ["frozen", "cloned"]),
    prefixes: checkPrefixes("nearCache.prefixes", own?.prefixes ?? inherited?.prefixes ?? [], ASSUMED_LIMITS),
  };
}

/** Returns what its values are stored with, which is asked for once. */
function checkCodec<Value>(codec: Codec<Value>): string {
  if (typeof codec !== "object" || codec === null) throw fieldInvalid("codec", "a codec, such as json()");
  if (typeof codec.name !== "string") throw fieldInvalid("codec.name", "a string");
  checkFunction("codec.encode", codec.encode);
  checkFunction("codec.decode", codec.decode);
  if (codec.decodeOwn !== undefined) checkFunction("codec.decodeOwn", codec.decodeOwn);
  const { contentType } = codec;
  if (
    typeof contentType !== "string" ||
    contentType.length > contentTypeMaxBytes ||
    !CONTENT_TYPE.test(contentType)
  ) {
    throw fieldInvalid("codec.contentType", `0 to ${contentTypeMaxBytes} printable ASCII characters`);
  }
  return contentType;
}

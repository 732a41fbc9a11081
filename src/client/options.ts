/** The client's options: their meanings, defaults and ranges, and the functions that fill in and check them. */
import type { ChannelCredentials } from "@grpc/grpc-js";
import type { Clock } from "../clock.ts";
import { fieldInvalid } from "../errors.ts";
import type { Rng } from "../random.ts";
import { parseAddress } from "./address.ts";
import type { Codec } from "./codecs.ts";
import type { Transport } from "./transport.ts";

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
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly negativeTtlMs: number;
  readonly ttlJitter: number;
  readonly undecodable: "error" | "miss";
  readonly nearCache: ResolvedNearCache | undefined;
}

const MIB = 2 ** 20;
const YEAR_MS = 31_536_000_000;
const LONGEST_WAIT_MS = 600_000;
const CLIENT_ID = /^[A-Za-z0-9._-]{0,64}$/;
const NAMESPACE = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const KEY_MAX_BYTES = 512;
const TAG_MAX_BYTES = 128;
const PREFIXES_MAX = 64;
/** What the server takes in one batch. */
const VALUE_MAX_BYTES = 2 * MIB;

const PRESETS: Readonly<Record<Preset, Partial<ClientOptions>>> = {
  standard: {},
  tight: { pingMs: 200, leaseMs: 1_000 },
  remote: { nearCache: false },
};

/** Throws FIELD_INVALID naming the option and its range. */
export function resolveClientOptions(given: ClientOptions): ResolvedClientOptions {
  const preset = PRESETS[given.preset ?? "standard"];
  if (preset === undefined) throw fieldInvalid("preset", `one of ${Object.keys(PRESETS).join(", ")}`);
  const options: ClientOptions = { ...preset, ...given };
  const addresses = typeof options.address === "string" ? [options.address] : [...options.address];
  // What grpc-js makes of an address is its own to say.
  const isValid = (address: string) =>
    options.credentials === undefined ? parseAddress(address) !== undefined : address !== "";
  if (addresses.length === 0 || !addresses.every(isValid)) {
    throw fieldInvalid("address", "one or more host:port");
  }
  const clientId = options.clientId ?? "";
  if (!CLIENT_ID.test(clientId)) throw fieldInvalid("clientId", "0 to 64 of [A-Za-z0-9._-]");
  const leaseMs = whole("leaseMs", options.leaseMs, 5_000, 50, LONGEST_WAIT_MS);
  const backoffMinMs = whole("backoffMinMs", options.backoffMinMs, 50, 1, LONGEST_WAIT_MS);
  return {
    addresses,
    credentials: options.credentials,
    clientId,
    nearCache: resolveNearCache(options.nearCache, undefined),
    deadlineMs: whole("deadlineMs", options.deadlineMs, 2_000, 1, LONGEST_WAIT_MS),
    leaseMs,
    pingMs: whole("pingMs", options.pingMs, Math.min(1_000, leaseMs), 10, leaseMs),
    inFlightMaxOperations: whole("inFlightMaxOperations", options.inFlightMaxOperations, 16_384, 1, MIB),
    inFlightMaxBytes: whole("inFlightMaxBytes", options.inFlightMaxBytes, 64 * MIB, 2 * MIB, 2 ** 40),
    connectTimeoutMs: whole("connectTimeoutMs", options.connectTimeoutMs, 2_000, 1, LONGEST_WAIT_MS),
    backoffMinMs,
    backoffMaxMs: whole(
      "backoffMaxMs",
      options.backoffMaxMs,
      Math.max(5_000, backoffMinMs),
      backoffMinMs,
      LONGEST_WAIT_MS,
    ),
    revalidateJitterMs: whole("revalidateJitterMs", options.revalidateJitterMs, 2_000, 0, LONGEST_WAIT_MS),
    revalidateMaxEntries: whole("revalidateMaxEntries", options.revalidateMaxEntries, 8_192, 0, MIB),
    spans: options.telemetry?.spans ?? true,
    nearHitSpans: options.telemetry?.nearHitSpans ?? false,
    probeShare: share("telemetry.probeShare", options.telemetry?.probeShare, 0, 1),
  };
}

/** Throws FIELD_INVALID naming the option and its range. */
export function resolveNamespaceOptions<Value>(
  options: NamespaceOptions<Value>,
  client: ResolvedClientOptions,
): ResolvedNamespaceOptions<Value> {
  const ttlMs = whole("ttlMs", options.ttlMs, 0, 0, YEAR_MS);
  const negativeMs = ttlMs === 0 ? 30_000 : Math.min(ttlMs, 30_000);
  return {
    codec: options.codec,
    ttlMs,
    staleMs: whole("staleMs", options.staleMs, 0, 0, ttlMs === 0 ? 0 : YEAR_MS),
    negativeTtlMs: whole("negativeTtlMs", options.negativeTtlMs, negativeMs, 1, YEAR_MS),
    ttlJitter: share("ttlJitter", options.ttlJitter, 0.05, 0.5),
    undecodable: options.undecodable ?? "error",
    nearCache: resolveNearCache(options.nearCache, client.nearCache, client.nearCache === undefined),
  };
}

function resolveNearCache(
  options: false | NearCacheOptions | undefined,
  inherited: ResolvedNearCache | undefined,
  off = false,
): ResolvedNearCache | undefined {
  if (options === false || (options === undefined && off)) return undefined;
  return {
    maxBytes: whole(
      "nearCache.maxBytes",
      options?.maxBytes,
      inherited?.maxBytes ?? 32 * MIB,
      65_536,
      2 ** 40,
    ),
    values: options?.values ?? inherited?.values ?? "frozen",
    prefixes: checkPrefixes("nearCache.prefixes", options?.prefixes ?? inherited?.prefixes ?? []),
  };
}

export function checkNamespace(namespace: string): string {
  if (!NAMESPACE.test(namespace)) {
    throw fieldInvalid("namespace", "1 to 64 bytes of [a-z0-9] and then [a-z0-9._-]");
  }
  return namespace;
}

/** A key that the encoder can write: what a lone surrogate becomes on the way would be another key. */
export function checkKey(key: string): string {
  return checkText("key", key, KEY_MAX_BYTES);
}

/**
 * A value that fits into a message. How large a value may be is the server's to say (1 MiB unless configured), in
 * an answer; a message that it does not take ends the stream for everybody.
 */
export function checkValue(encoded: Uint8Array): void {
  if (encoded.length > VALUE_MAX_BYTES) throw fieldInvalid("value", `at most ${VALUE_MAX_BYTES} bytes`);
}

export function checkTags(tags: readonly string[]): readonly string[] {
  for (const tag of tags) checkText("tags", tag, TAG_MAX_BYTES);
  return tags;
}

export function checkPrefixes(field: string, prefixes: readonly string[]): readonly string[] {
  if (prefixes.length > PREFIXES_MAX) throw fieldInvalid(field, `at most ${PREFIXES_MAX}`);
  for (const prefix of prefixes) checkText(field, prefix, KEY_MAX_BYTES);
  return prefixes;
}

/** A whole number of milliseconds from 0 to 365 days. */
export function checkLifetimeMs(field: string, value: number | undefined, fallback: number): number {
  return whole(field, value, fallback, 0, YEAR_MS);
}

export function checkWhole(field: string, value: number, min: number, max: number): number {
  return whole(field, value, value, min, max);
}

function checkText(field: string, value: string, maxBytes: number): string {
  // A UTF-16 unit is at most three bytes of UTF-8, so short text needs no counting.
  const fits = value.length * 3 <= maxBytes || Buffer.byteLength(value, "utf8") <= maxBytes;
  if (value.length === 0 || !fits || !value.isWellFormed()) {
    throw fieldInvalid(field, `1 to ${maxBytes} bytes of UTF-8`);
  }
  return value;
}

function whole(field: string, value: number | undefined, fallback: number, min: number, max: number): number {
  const resolved = value ?? fallback;
  if (!Number.isSafeInteger(resolved) || resolved < min || resolved > max) {
    throw fieldInvalid(field, `a whole number from ${min} to ${max}`);
  }
  return resolved;
}

function share(field: string, value: number | undefined, fallback: number, max: number): number {
  const resolved = value ?? fallback;
  if (!(resolved >= 0 && resolved <= max)) throw fieldInvalid(field, `a number from 0 to ${max}`);
  return resolved;
}

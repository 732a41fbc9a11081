/** The options of a client: meanings, defaults and ranges, and the function that fills them in and checks them. */

import type { Clock } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { isLoopbackAddress, parseServerAddress, SERVER_ADDRESS_FORM } from "../../common/host-port.ts";
import { LONGEST_WAIT_MS } from "../../common/longest-wait.ts";
import type { Rng } from "../../common/random.ts";
import type { ClientTlsOptions } from "../../security/tls/client-tls.ts";
import { type GrpcCredentials, isGrpcCredentials } from "../transport/grpc-credentials.ts";
import type { TokenSource } from "../transport/token.ts";
import type { Transport } from "../transport/transport.ts";
import {
  checkFlag,
  checkFunction,
  checkGroup,
  checkShare,
  checkWord,
  durationOption,
  unreadable,
  wholeOption,
} from "./checks.ts";
import type { ClientEvent } from "./client-events.ts";
import type { Duration } from "./duration.ts";
import { type NearCacheOptions, type ResolvedNearCache, resolveNearCache } from "./near-cache-options.ts";
import { checkNames, optionNames } from "./option-names.ts";
import { ASSUMED_LIMITS } from "./server-limits.ts";

/**
 * Named sets of options; an option that is given beside a preset wins. "standard": the defaults. "tight": pings every
 * 200 ms, a lease of 1 s and at most 1 s of silence, so that values are less out of date when a network goes silent, for
 * more pings. "remote": no near cache.
 */
export type Preset = "standard" | "tight" | "remote";

export interface TelemetryOptions {
  /** CLIENT spans for operations that go to the server. Default true; without an OpenTelemetry SDK they cost nothing. */
  readonly spans?: boolean;
  /** Also a span for each near-cache hit. Default false: a span takes longer than a hit. */
  readonly nearHitSpans?: boolean;
  /** Share of near hits that is read again from the server and compared. 0 to 1; default 0. */
  readonly probeShare?: number;
}

const TLS_OPTIONS = optionNames<ClientTlsOptions>({ ca: true, cert: true, key: true, serverName: true });

const TELEMETRY_OPTIONS = optionNames<TelemetryOptions>({
  spans: true,
  nearHitSpans: true,
  probeShare: true,
});

/** Times are whole milliseconds, sizes whole bytes. `null` means the same as leaving an option out. */
export interface ClientOptions {
  /**
   * "host:port", with an IPv6 host in brackets, or several such addresses of servers that serve one store. With
   * `credentials`, any target of grpc-js.
   */
  readonly address: string | readonly string[];
  /**
   * `ChannelCredentials` of `@grpc/grpc-js`, which must be installed and then also carries the stream; each message costs
   * more than without. Credentials of another copy of grpc-js than the client loads: every operation fails with
   * FIELD_INVALID. Default: none, and no encryption, for loopback and for meshes that encrypt by themselves.
   */
  readonly credentials?: GrpcCredentials;
  /**
   * Encrypts the connection, with the files of these paths: `ca`, `cert`, `key`, and the `serverName` to expect. They are
   * read before each connection. Files that cannot be used: every operation fails with FIELD_INVALID until they can be; once
   * they could, the last good ones are used. Not together with `credentials`. Default: no TLS, for loopback and for meshes
   * that encrypt by themselves.
   */
  readonly tls?: ClientTlsOptions;
  /**
   * Gives the token of the next connection, 1 to 8,192 characters without spaces: a static one, or a JWT. It is asked again
   * before a JWT expires, and the connection is replaced without a gap. What it throws, or takes longer than
   * `connectTimeoutMs`, is a connection that failed. An address beyond loopback needs `tls` or `plaintext` with it. Not
   * together with `credentials`. Default: none.
   */
  readonly token?: TokenSource;
  /**
   * Allows a `token` to be sent beyond loopback without `tls`, where a sidecar or the network encrypts: otherwise whoever is
   * on the wire can read it. Default false.
   */
  readonly plaintext?: boolean;
  /**
   * Names this process in events: 0 to 256 of [A-Za-z0-9._-]. Default: empty. A server that takes no name so long (64
   * characters unless configured) refuses every call with FIELD_INVALID.
   */
  readonly clientId?: string;
  /** Default "standard". */
  readonly preset?: Preset;
  /** The near caches of namespaces that do not say otherwise. False: none, so that every read goes to a server. */
  readonly nearCache?: false | NearCacheOptions;
  /** How long an operation may take. 1 to 600,000; default 2,000. */
  readonly deadlineMs?: Duration;
  /**
   * The longest that a near cache serves its copies without an answered ping: no copy that it serves has been out of date
   * for longer. 50 to 600,000; default 5,000.
   */
  readonly leaseMs?: Duration;
  /** How often the server is pinged. 10 to `leaseMs`; default 1,000. */
  readonly pingMs?: Duration;
  /**
   * How long the server may leave a ping unanswered before the client connects again, whatever the lease: it does so within
   * one and a half times this. A ping is sent every `pingMs`, and when an operation has no answer by its deadline. 50 to
   * 600,000; default 3,000.
   */
  readonly silenceMaxMs?: Duration;
  /** Operations that wait or are under way; more are refused with LIMIT_EXCEEDED. 1 to 1,048,576; default 16,384. */
  readonly inFlightMaxOperations?: number;
  /** Bytes of these operations; more are refused with LIMIT_EXCEEDED. 2 MiB to 2^40; default 67,108,864 (64 MiB). */
  readonly inFlightMaxBytes?: number;
  /**
   * Keys, tags and prefixes whose invalidation waits for a connection. When there are more, those of the namespace with the
   * most become a clear of it. 1 to 1,048,576; default 16,384.
   */
  readonly queuedInvalidationsMaxNames?: number;
  /** The same for their bytes, bookkeeping included. 65,536 to 2^40; default 8,388,608 (8 MiB). */
  readonly queuedInvalidationsMaxBytes?: number;
  /** How long a server may take until its stream is ready. 1 to 600,000; default 2,000. */
  readonly connectTimeoutMs?: Duration;
  /** The longest first wait before connecting again; each failed round of addresses doubles it. 1 to 600,000; default 50. */
  readonly backoffMinMs?: Duration;
  /** The longest wait before connecting again. `backoffMinMs` to 600,000; default 5,000. */
  readonly backoffMaxMs?: Duration;
  /**
   * After events may have been missed, copies are revalidated in the background, beginning at a random time within this.
   * 0 to 600,000; default 2,000.
   */
  readonly revalidateJitterMs?: Duration;
  /**
   * How many copies are then revalidated, about the most recently used ones; others are when they are read.
   * 0 to 1,048,576; default 8,192.
   */
  readonly revalidateMaxEntries?: number;
  readonly telemetry?: TelemetryOptions;
  /**
   * Told of what happens to the client: see `ClientEvent`. Repeated events are reported together every 10 s. What it throws
   * is counted in `stats().connection.faults`, and a warning of the process once. Default: none; then the process is warned
   * when no server can be reached, and of loaded values that a mistake keeps out of the cache.
   */
  readonly onEvent?: (event: ClientEvent) => void;
}

const CLIENT_OPTIONS = optionNames<ClientOptions>({
  address: true,
  credentials: true,
  tls: true,
  token: true,
  plaintext: true,
  clientId: true,
  preset: true,
  nearCache: true,
  deadlineMs: true,
  leaseMs: true,
  pingMs: true,
  silenceMaxMs: true,
  inFlightMaxOperations: true,
  inFlightMaxBytes: true,
  queuedInvalidationsMaxNames: true,
  queuedInvalidationsMaxBytes: true,
  connectTimeoutMs: true,
  backoffMinMs: true,
  backoffMaxMs: true,
  revalidateJitterMs: true,
  revalidateMaxEntries: true,
  telemetry: true,
  onEvent: true,
});

/** What a simulation replaces. Not for applications. */
export interface ClientInternals {
  readonly clock?: Clock;
  readonly rng?: Rng;
  readonly transport?: Transport;
  /** Runs `flush` soon, after what is running now. Default: after all microtasks. */
  readonly scheduleFlush?: (flush: () => void) => void;
  /** Warns the process, where there is no `onEvent`. */
  readonly warn?: (message: string) => void;
}

export interface ResolvedClientOptions {
  readonly addresses: readonly string[];
  readonly credentials: GrpcCredentials | undefined;
  readonly tls: ClientTlsOptions | undefined;
  readonly token: TokenSource | undefined;
  readonly clientId: string;
  readonly nearCache: ResolvedNearCache | undefined;
  readonly deadlineMs: number;
  readonly leaseMs: number;
  readonly pingMs: number;
  readonly silenceMaxMs: number;
  readonly inFlightMaxOperations: number;
  readonly inFlightMaxBytes: number;
  readonly queuedInvalidationsMaxNames: number;
  readonly queuedInvalidationsMaxBytes: number;
  readonly connectTimeoutMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly revalidateJitterMs: number;
  readonly revalidateMaxEntries: number;
  readonly spans: boolean;
  readonly nearHitSpans: boolean;
  readonly probeShare: number;
  readonly onEvent: ((event: ClientEvent) => void) | undefined;
}

const MIB = 2 ** 20;
const CLIENT_ID = /^[A-Za-z0-9._-]*$/;

const PRESETS: Readonly<Record<Preset, Partial<ClientOptions>>> = {
  standard: {},
  tight: { pingMs: 200, leaseMs: 1_000, silenceMaxMs: 1_000 },
  remote: { nearCache: false },
};

/** Throws FIELD_INVALID naming the option and its range. */
export function resolveClientOptions(given: ClientOptions): ResolvedClientOptions {
  if (typeof given !== "object" || given === null) throw fieldInvalid("options", "an object");
  try {
    const own = { ...given };
    checkNames(own, CLIENT_OPTIONS);
    return resolve(own);
  } catch (error) {
    throw unreadable("options", error);
  }
}

function resolve(own: ClientOptions): ResolvedClientOptions {
  const preset = checkWord("preset", own.preset, "standard", ["standard", "tight", "remote"]);
  const options: ClientOptions = { ...PRESETS[preset], ...own };
  const { credentials } = options;
  if (credentials !== undefined && !isGrpcCredentials(credentials)) {
    throw fieldInvalid("credentials", "ChannelCredentials of @grpc/grpc-js");
  }
  const addresses = checkAddresses(options.address, credentials !== undefined);
  const tls = resolveTls(options.tls, credentials !== undefined);
  const token = resolveToken(options.token, credentials !== undefined);
  const mayBeRead = checkFlag("plaintext", options.plaintext, false);
  if (token !== undefined && tls === undefined && !mayBeRead && !addresses.every(isLoopbackAddress)) {
    throw fieldInvalid("token", "left out beyond loopback without tls, unless plaintext is true");
  }
  const telemetry = checkGroup("telemetry", options.telemetry, TELEMETRY_OPTIONS);
  return {
    addresses,
    credentials,
    tls,
    token,
    clientId: checkClientId(options.clientId ?? ""),
    nearCache: resolveNearCache(options.nearCache, undefined),
    ...resolveTimes(options),
    ...resolveBounds(options),
    spans: checkFlag("telemetry.spans", telemetry?.spans, true),
    nearHitSpans: checkFlag("telemetry.nearHitSpans", telemetry?.nearHitSpans, false),
    probeShare: checkShare("telemetry.probeShare", telemetry?.probeShare, 0, 1),
    onEvent: options.onEvent && checkFunction("onEvent", options.onEvent),
  };
}

function resolveTls(given: ClientOptions["tls"], hasCredentials: boolean): ClientTlsOptions | undefined {
  const tls = checkGroup("tls", given, TLS_OPTIONS);
  if (tls === undefined) return undefined;
  if (hasCredentials) throw fieldInvalid("tls", "left out beside credentials");
  const text = (name: keyof ClientTlsOptions, bound: string) => {
    const value = tls[name] ?? undefined;
    if (value !== undefined && (typeof value !== "string" || value === ""))
      throw fieldInvalid(`tls.${name}`, bound);
    return value === undefined ? {} : { [name]: value };
  };
  const path = "the path of a PEM file";
  if (((tls.cert ?? undefined) === undefined) !== ((tls.key ?? undefined) === undefined))
    throw fieldInvalid("tls", "with both of cert and key, or with neither");
  return {
    ...text("ca", path),
    ...text("cert", path),
    ...text("key", path),
    ...text("serverName", "a DNS name, an IP address or a SPIFFE id"),
  };
}

function resolveToken(given: ClientOptions["token"], hasCredentials: boolean): TokenSource | undefined {
  const token = given ?? undefined;
  if (token === undefined) return undefined;
  if (typeof token !== "function") throw fieldInvalid("token", "a function");
  if (hasCredentials) throw fieldInvalid("token", "left out beside credentials");
  return token;
}

function resolveTimes(options: ClientOptions) {
  const time = (field: TimeOption, fallbackMs: number, minMs: number, maxMs = LONGEST_WAIT_MS) =>
    durationOption(field, options[field], fallbackMs, minMs, maxMs);
  const leaseMs = time("leaseMs", 5_000, 50);
  const backoffMinMs = time("backoffMinMs", 50, 1);
  return {
    deadlineMs: time("deadlineMs", 2_000, 1),
    leaseMs,
    pingMs: time("pingMs", Math.min(1_000, leaseMs), 10, leaseMs),
    silenceMaxMs: time("silenceMaxMs", 3_000, 50),
    connectTimeoutMs: time("connectTimeoutMs", 2_000, 1),
    backoffMinMs,
    backoffMaxMs: time("backoffMaxMs", Math.max(5_000, backoffMinMs), backoffMinMs),
    revalidateJitterMs: time("revalidateJitterMs", 2_000, 0),
  };
}

type TimeOption =
  | "deadlineMs"
  | "leaseMs"
  | "pingMs"
  | "silenceMaxMs"
  | "connectTimeoutMs"
  | "backoffMinMs"
  | "backoffMaxMs"
  | "revalidateJitterMs";

function resolveBounds(options: ClientOptions) {
  const bound = (field: BoundOption, fallback: number, min: number, max: number) =>
    wholeOption(field, options[field], fallback, min, max);
  return {
    inFlightMaxOperations: bound("inFlightMaxOperations", 16_384, 1, MIB),
    inFlightMaxBytes: bound("inFlightMaxBytes", 64 * MIB, 2 * MIB, 2 ** 40),
    queuedInvalidationsMaxNames: bound("queuedInvalidationsMaxNames", 16_384, 1, MIB),
    queuedInvalidationsMaxBytes: bound("queuedInvalidationsMaxBytes", 8 * MIB, 65_536, 2 ** 40),
    revalidateMaxEntries: bound("revalidateMaxEntries", 8_192, 0, MIB),
  };
}

type BoundOption =
  | "inFlightMaxOperations"
  | "inFlightMaxBytes"
  | "queuedInvalidationsMaxNames"
  | "queuedInvalidationsMaxBytes"
  | "revalidateMaxEntries";

const ADDRESSES = `one or more ${SERVER_ADDRESS_FORM}, without a scheme such as http://`;
const TARGETS = "one or more targets of grpc-js";

function checkAddresses(address: ClientOptions["address"], areTargets: boolean): readonly string[] {
  const addresses = typeof address === "string" ? [address] : address;
  // grpc-js checks its targets itself.
  const isValid = (one: string) =>
    typeof one === "string" && (areTargets ? one !== "" : parseServerAddress(one));
  const copy = Array.isArray(addresses) ? Array.from(addresses) : [];
  if (copy.length === 0 || !copy.every(isValid))
    throw fieldInvalid("address", areTargets ? TARGETS : ADDRESSES);
  return copy;
}

/** The server is not known yet, so this may be whatever some server takes. */
function checkClientId(clientId: string): string {
  const { clientIdMaxBytes } = ASSUMED_LIMITS;
  const isValid =
    typeof clientId === "string" && clientId.length <= clientIdMaxBytes && CLIENT_ID.test(clientId);
  if (isValid) return clientId;
  throw fieldInvalid("clientId", `0 to ${clientIdMaxBytes} of [A-Za-z0-9._-]`);
}

/** The options of a namespace: meanings, defaults and ranges, and the function that fills them in and checks them. */

import { fieldInvalid } from "../../common/errors.ts";
import { LONGEST_WAIT_MS } from "../../common/longest-wait.ts";
import { checkFunction, checkShare, checkWord, durationOption, unreadable } from "./checks.ts";
import type { Codec } from "./codecs.ts";
import { checkCompressFrom } from "./compressed.ts";
import type { Duration } from "./duration.ts";
import {
  differingNearCache,
  type NearCacheOptions,
  type ResolvedNearCache,
  resolveNearCache,
} from "./near-cache-options.ts";
import { checkNames, optionNames } from "./option-names.ts";
import { ASSUMED_LIMITS } from "./server-limits.ts";

export interface NamespaceOptions<Value> {
  /** How values become bytes and come back. */
  readonly codec: Codec<Value>;
  /**
   * How long a value is fresh, in milliseconds. 0: until it is invalidated or evicted. Up to the server's longest lifetime
   * (365 days unless configured); default 0.
   */
  readonly ttlMs?: Duration;
  /**
   * How long after its TTL `getOrLoad` may serve a value while it loads another, in milliseconds. Must be 0 with a `ttlMs`
   * of 0. Up to the server's longest lifetime; default 0.
   */
  readonly staleMs?: Duration;
  /**
   * How long it is remembered that the source has no such record, in milliseconds: at least 1. Default: `ttlMs`, but at
   * most 30,000 and never 0. Shortened to the server's longest lifetime.
   */
  readonly negativeTtlMs?: Duration;
  /**
   * Shortens the TTL of what `getOrLoad` stores by up to this share at random, so that values that were loaded together do
   * not expire together. 0 to 0.5; default 0.05.
   */
  readonly ttlJitter?: number;
  /**
   * How long a key whose loader has failed is not loaded again, in milliseconds, shortened by up to a quarter at random: its
   * callers get what the cache has, stale too, or the same error. 0 to 600,000; default 1,000; 0: not at all.
   */
  readonly failureCooldownMs?: Duration;
  /**
   * How long a value may be out of date that is served while no server can be asked, in milliseconds: a copy counts from when
   * it was last known to be current, a value that was loaded in the outage from when its load began. Such results say `outage:
   * true`. Up to the server's longest lifetime; must be 0 without a near cache; default 0: none is served.
   */
  readonly outageTtlMs?: Duration;
  /** What reading a value does that the codec cannot decode: reject with CODEC, or answer a miss. Default "error". */
  readonly undecodable?: "error" | "miss";
  /** The near cache of this namespace. False: none. Default: as the client's. */
  readonly nearCache?: false | NearCacheOptions;
}

const NAMESPACE_OPTIONS = optionNames<NamespaceOptions<unknown>>({
  codec: true,
  ttlMs: true,
  staleMs: true,
  negativeTtlMs: true,
  ttlJitter: true,
  failureCooldownMs: true,
  outageTtlMs: true,
  undecodable: true,
  nearCache: true,
});

export interface ResolvedNamespaceOptions<Value> {
  readonly codec: Codec<Value>;
  /** The codec's, read once. */
  readonly contentType: string;
  /** The codec's, read once. Infinity: nothing is compressed. */
  readonly compressFromBytes: number;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly negativeTtlMs: number;
  readonly ttlJitter: number;
  readonly failureCooldownMs: number;
  readonly outageTtlMs: number;
  readonly undecodable: "error" | "miss";
  readonly nearCache: ResolvedNearCache | undefined;
}

const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
const NEGATIVE_TTL_DEFAULT_MS = 30_000;
/** A namespace may be opened before its server is known, so options may be whatever some server takes. */
const { contentTypeMaxBytes, lifetimeMaxMs } = ASSUMED_LIMITS;

/** The first option in which two namespaces differ. Codecs are the same if they are one object. */
export function differingOption(
  one: ResolvedNamespaceOptions<unknown>,
  other: ResolvedNamespaceOptions<unknown>,
): string | undefined {
  for (const name of NAMESPACE_OPTIONS) {
    const field = name as keyof NamespaceOptions<unknown>;
    if (field === "nearCache" || one[field] === other[field]) continue;
    return field;
  }
  return differingNearCache(one.nearCache, other.nearCache);
}

/** `client`: what the namespace inherits. Throws FIELD_INVALID naming the option and its range. */
export function resolveNamespaceOptions<Value>(
  given: NamespaceOptions<Value>,
  client: { readonly nearCache: ResolvedNearCache | undefined },
): ResolvedNamespaceOptions<Value> {
  if (typeof given !== "object" || given === null) throw fieldInvalid("options", "an object");
  try {
    const own = { ...given };
    checkNames(own, NAMESPACE_OPTIONS);
    return resolve(own, client.nearCache);
  } catch (error) {
    throw unreadable("options", error);
  }
}

function resolve<Value>(
  options: NamespaceOptions<Value>,
  inherited: ResolvedNearCache | undefined,
): ResolvedNamespaceOptions<Value> {
  const { codec } = options;
  const nearCache = resolveNearCache(options.nearCache, inherited, inherited === undefined);
  const outageMaxMs = nearCache === undefined ? 0 : lifetimeMaxMs;
  const ttlMs = durationOption("ttlMs", options.ttlMs, 0, 0, lifetimeMaxMs);
  const negativeMs = ttlMs === 0 ? NEGATIVE_TTL_DEFAULT_MS : Math.min(ttlMs, NEGATIVE_TTL_DEFAULT_MS);
  return {
    codec,
    contentType: checkCodec(codec),
    compressFromBytes: compressFromBytesOf(codec),
    ttlMs,
    staleMs: durationOption("staleMs", options.staleMs, 0, 0, ttlMs === 0 ? 0 : lifetimeMaxMs),
    negativeTtlMs: durationOption("negativeTtlMs", options.negativeTtlMs, negativeMs, 1, lifetimeMaxMs),
    ttlJitter: checkShare("ttlJitter", options.ttlJitter, 0.05, 0.5),
    failureCooldownMs: durationOption(
      "failureCooldownMs",
      options.failureCooldownMs,
      1_000,
      0,
      LONGEST_WAIT_MS,
    ),
    outageTtlMs: durationOption("outageTtlMs", options.outageTtlMs, 0, 0, outageMaxMs),
    undecodable: checkWord("undecodable", options.undecodable, "error", ["error", "miss"]),
    nearCache,
  };
}

function compressFromBytesOf({ compressFromBytes }: Pick<Codec<never>, "compressFromBytes">): number {
  if (compressFromBytes === undefined) return Number.POSITIVE_INFINITY;
  return checkCompressFrom("codec.compressFromBytes", compressFromBytes);
}

/** Checks a codec and returns its content type, which is read once. */
function checkCodec<Value>(codec: Codec<Value>): string {
  if (typeof codec !== "object" || codec === null) throw fieldInvalid("codec", "a codec, such as json()");
  if (typeof codec.name !== "string") throw fieldInvalid("codec.name", "a string");
  checkFunction("codec.encode", codec.encode);
  checkFunction("codec.decode", codec.decode);
  if (codec.decodeOwn !== undefined) checkFunction("codec.decodeOwn", codec.decodeOwn);
  const { contentType } = codec;
  const isValid =
    typeof contentType === "string" &&
    contentType.length <= contentTypeMaxBytes &&
    PRINTABLE_ASCII.test(contentType);
  if (isValid) return contentType;
  throw fieldInvalid("codec.contentType", `0 to ${contentTypeMaxBytes} printable ASCII characters`);
}

/** The options of near caches: meanings, defaults and ranges. */
import { checkGroup, checkPrefixes, checkWord, wholeOption } from "./checks.ts";
import { optionNames } from "./option-names.ts";
import { ASSUMED_LIMITS } from "./server-limits.ts";

/**
 * How readers share the values of a near cache. "frozen": a value is decoded once, deeply frozen and shared, so that a hit
 * allocates nothing; values that cannot be frozen (bytes, maps, dates) are decoded for each reader. "cloned": each reader
 * gets a value of its own, decoded for it, and may write to it.
 */
export type ValueSharing = "frozen" | "cloned";

export interface NearCacheOptions {
  /**
   * Bytes that copies may take, keys, tags and about 256 bytes of bookkeeping each included. 65,536 to 2^40; default
   * 33,554,432 (32 MiB). The client's are shared by all namespaces that do not say their own: when they are full, the copy that
   * was used least recently goes, whichever namespace it is of. A namespace that says its own has them for itself, beside those.
   */
  readonly maxBytes?: number;
  /** Default "frozen". */
  readonly values?: ValueSharing;
  /**
   * Keep only keys that begin with one of these: up to 4,096, each of 1 to 16,384 bytes of UTF-8. Default: all keys. For a
   * server that takes fewer or shorter ones (64 of 512 bytes unless configured) the client subscribes to the whole
   * namespace and keeps the same keys.
   */
  readonly prefixes?: readonly string[];
}

const NEAR_CACHE_OPTIONS = optionNames<NearCacheOptions>({ maxBytes: true, values: true, prefixes: true });

export interface ResolvedNearCache {
  readonly maxBytes: number;
  /** These bytes are for this namespace alone. Otherwise all such namespaces share those of the client. */
  readonly hasOwnBytes: boolean;
  readonly values: ValueSharing;
  readonly prefixes: readonly string[];
}

export const NEAR_CACHE_DEFAULT_BYTES = 32 * 2 ** 20;

/**
 * Undefined: no near cache. `inherited`: the client's, for those of a namespace; `isOff`: the client has none, so that a
 * namespace has one only if it asks. Throws FIELD_INVALID naming the option and its range.
 */
export function resolveNearCache(
  options: false | NearCacheOptions | undefined,
  inherited: ResolvedNearCache | undefined,
  isOff = false,
): ResolvedNearCache | undefined {
  if (options === false) return undefined;
  const own = checkGroup("nearCache", options, NEAR_CACHE_OPTIONS);
  if (own === undefined && isOff) return undefined;
  const maxBytes = inherited?.maxBytes ?? NEAR_CACHE_DEFAULT_BYTES;
  const values = inherited?.values ?? "frozen";
  const prefixes = own?.prefixes ?? inherited?.prefixes ?? [];
  return {
    hasOwnBytes: inherited !== undefined && own?.maxBytes !== undefined,
    maxBytes: wholeOption("nearCache.maxBytes", own?.maxBytes, maxBytes, 65_536, 2 ** 40),
    values: checkWord("nearCache.values", own?.values, values, ["frozen", "cloned"]),
    prefixes: checkPrefixes("nearCache.prefixes", prefixes, ASSUMED_LIMITS),
  };
}

/** The first option in which two near caches differ. */
export function differingNearCache(
  one: ResolvedNearCache | undefined,
  other: ResolvedNearCache | undefined,
): string | undefined {
  if (one === undefined || other === undefined) return one === other ? undefined : "nearCache";
  if (one.maxBytes !== other.maxBytes || one.hasOwnBytes !== other.hasOwnBytes) return "nearCache.maxBytes";
  if (one.values !== other.values) return "nearCache.values";
  const { prefixes } = other;
  const areSame =
    one.prefixes.length === prefixes.length && one.prefixes.every((prefix, at) => prefix === prefixes[at]);
  return areSame ? undefined : "nearCache.prefixes";
}

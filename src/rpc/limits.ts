/** The limits of every message field: the default and the range of each, and the check of chosen values. */

import { type Bound, pickWithin, type Relation } from "../common/bound.ts";
import { KEY_LIMIT_BYTES, NAMESPACE_LIMIT_BYTES } from "../common/name-limits.ts";

/** Limits of what a message may hold. Sizes are in bytes of UTF-8 for text. */
export interface Limits {
  readonly namespaceMaxBytes: number;
  readonly keyMaxBytes: number;
  readonly tagMaxBytes: number;
  readonly entryMaxTags: number;
  readonly valueMaxBytes: number;
  readonly contentTypeMaxBytes: number;
  /** The longest `ttl_ms` and `stale_ms`. */
  readonly lifetimeMaxMs: number;
  readonly leaseDefaultMs: number;
  readonly leaseMaxMs: number;
  readonly leaseWaitMaxMs: number;
  readonly invalidateMaxKeys: number;
  readonly invalidateMaxTags: number;
  readonly batchMaxOperations: number;
  /** Values and text of one batch together. */
  readonly batchMaxBytes: number;
  readonly subscriptionMaxSelectors: number;
  /** Key prefixes of one subscription, over all its selectors. */
  readonly subscriptionMaxPrefixes: number;
  readonly cursorMaxBytes: number;
  readonly clientIdMaxBytes: number;
  /** The largest message that the server accepts. */
  readonly receiveMaxBytes: number;
  /** The largest message that the server sends. */
  readonly sendMaxBytes: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const DAY_MS = 86_400_000;
const UINT32_MAX = 0xffff_ffff;

export const LIMIT_BOUNDS: Record<keyof Limits, Bound> = {
  namespaceMaxBytes: { fallback: 64, min: 1, max: NAMESPACE_LIMIT_BYTES },
  keyMaxBytes: { fallback: 512, min: 1, max: KEY_LIMIT_BYTES },
  tagMaxBytes: { fallback: 128, min: 1, max: 4 * KIB },
  entryMaxTags: { fallback: 16, min: 0, max: 256 },
  valueMaxBytes: { fallback: MIB, min: 1, max: 64 * MIB },
  contentTypeMaxBytes: { fallback: 128, min: 0, max: 255 },
  lifetimeMaxMs: { fallback: 365 * DAY_MS, min: 1, max: 3650 * DAY_MS },
  leaseDefaultMs: { fallback: 5_000, min: 1, max: UINT32_MAX },
  leaseMaxMs: { fallback: 60_000, min: 1, max: UINT32_MAX },
  leaseWaitMaxMs: { fallback: 30_000, min: 0, max: UINT32_MAX },
  invalidateMaxKeys: { fallback: 1_024, min: 1, max: 65_536 },
  invalidateMaxTags: { fallback: 64, min: 1, max: 4_096 },
  batchMaxOperations: { fallback: 1_024, min: 1, max: 65_536 },
  batchMaxBytes: { fallback: 2 * MIB, min: KIB, max: 128 * MIB },
  subscriptionMaxSelectors: { fallback: 64, min: 1, max: 4_096 },
  subscriptionMaxPrefixes: { fallback: 64, min: 1, max: 4_096 },
  cursorMaxBytes: { fallback: 8 * KIB, min: 64, max: 64 * KIB },
  clientIdMaxBytes: { fallback: 64, min: 1, max: 256 },
  receiveMaxBytes: { fallback: 2.5 * MIB, min: KIB, max: 256 * MIB },
  sendMaxBytes: { fallback: 4 * MIB, min: KIB, max: 256 * MIB },
};

/** Pairs of limits of which the first must not exceed the second. */
export const LIMIT_RELATIONS: readonly Relation<keyof Limits>[] = [
  ["valueMaxBytes", "receiveMaxBytes"],
  ["valueMaxBytes", "sendMaxBytes"],
  ["leaseDefaultMs", "leaseMaxMs"],
];

/**
 * Fills in the defaults. Throws a RangeError that names the limit and its range, or the two limits of which the first
 * exceeds the second.
 */
export function resolveLimits(options: Partial<Limits> = {}): Limits {
  const pick = pickWithin(LIMIT_BOUNDS, options);
  const limits: Limits = {
    namespaceMaxBytes: pick("namespaceMaxBytes"),
    keyMaxBytes: pick("keyMaxBytes"),
    tagMaxBytes: pick("tagMaxBytes"),
    entryMaxTags: pick("entryMaxTags"),
    valueMaxBytes: pick("valueMaxBytes"),
    contentTypeMaxBytes: pick("contentTypeMaxBytes"),
    lifetimeMaxMs: pick("lifetimeMaxMs"),
    leaseDefaultMs: pick("leaseDefaultMs"),
    leaseMaxMs: pick("leaseMaxMs"),
    leaseWaitMaxMs: pick("leaseWaitMaxMs"),
    invalidateMaxKeys: pick("invalidateMaxKeys"),
    invalidateMaxTags: pick("invalidateMaxTags"),
    batchMaxOperations: pick("batchMaxOperations"),
    batchMaxBytes: pick("batchMaxBytes"),
    subscriptionMaxSelectors: pick("subscriptionMaxSelectors"),
    subscriptionMaxPrefixes: pick("subscriptionMaxPrefixes"),
    cursorMaxBytes: pick("cursorMaxBytes"),
    clientIdMaxBytes: pick("clientIdMaxBytes"),
    receiveMaxBytes: pick("receiveMaxBytes"),
    sendMaxBytes: pick("sendMaxBytes"),
  };
  for (const [smaller, greater] of LIMIT_RELATIONS) {
    if (limits[smaller] > limits[greater]) {
      throw new RangeError(`${smaller} (${limits[smaller]}) must not exceed ${greater} (${limits[greater]})`);
    }
  }
  return limits;
}

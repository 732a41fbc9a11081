/** Lifetimes of other interfaces as lifetimes of this cache. */
import { LIMIT_BOUNDS } from "../rpc/limits.ts";

const LIFETIME_MAX_MS = LIMIT_BOUNDS.lifetimeMaxMs.fallback;

/**
 * Whole milliseconds, where 0 is "until it is invalidated or evicted", and `undefined` one that has ended already. Infinity, and no
 * number, are 0; what is longer than servers allow by default ends then.
 */
export function toLifetimeMs(ms: number | null | undefined): number | undefined {
  if (ms === undefined || ms === null || ms === Number.POSITIVE_INFINITY || Number.isNaN(ms)) return 0;
  return ms > 0 ? Math.min(Math.ceil(ms), LIFETIME_MAX_MS) : undefined;
}

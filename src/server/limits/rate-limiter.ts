/** Limits how often a peer does something that costs it nothing. */
import type { Clock } from "../../common/clock.ts";

const WINDOW_MS = 1_000;

/** The result returns false from the first call beyond `max` until its window of a second has ended. */
export function createRateLimiter(max: number, clock: Clock): () => boolean {
  let windowEndsMs = 0;
  let count = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs >= windowEndsMs) {
      windowEndsMs = nowMs + WINDOW_MS;
      count = 0;
    }
    count += 1;
    return count <= max;
  };
}

/** The result returns false from the first call beyond `burst`, to which so many a second are added again. */
export function createTokenBucket(burst: number, perSecond: number, clock: Clock): () => boolean {
  let tokens = burst;
  let countedMs = clock.nowMs();
  return () => {
    const nowMs = clock.nowMs();
    tokens = Math.min(burst, tokens + ((nowMs - countedMs) * perSecond) / WINDOW_MS);
    countedMs = nowMs;
    tokens -= 1;
    return tokens >= 0;
  };
}

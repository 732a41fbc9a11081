/** Limits how often a peer does something that costs it nothing, in windows of a second. */
import type { Clock } from "../../common/clock.ts";

const WINDOW_MS = 1_000;

/** The result returns false from the first call beyond `max` until its window has ended. */
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

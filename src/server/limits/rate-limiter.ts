/** Counts what a peer does for free, in windows of a second. */
import type { Clock } from "../../common/clock.ts";

const WINDOW_MS = 1_000;

/** Returns false from the one that is too many in its window. */
export function createRateGuard(max: number, clock: Clock): () => boolean {
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

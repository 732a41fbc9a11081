/** Calls the store's maintenance at an interval, and in every turn of the event loop while there is more to sweep. */
import { setImmediate } from "node:timers";
import type { Clock, Timer } from "../common/clock.ts";
import type { StoreView } from "../store/api/store.ts";
import type { Logger } from "../telemetry/telemetry.ts";

const INTERVAL_MS = 20;
/** Entries that one slice sweeps, which takes well under a millisecond. */
const SLICE_MAX_ENTRIES = 512;
/** Slices that follow one another at most, so that sweeping leaves time for calls. */
const SLICES_MAX = 64;

/** Returns a function that stops it. An error of the store is logged, and maintenance goes on at the next interval. */
export function maintainStore(store: StoreView, clock: Clock, logger: Logger): () => void {
  let timer: Timer;
  let slice: NodeJS.Immediate | undefined;
  const sweep = (slicesLeft: number) => {
    slice = undefined;
    try {
      const more = store.maintain(SLICE_MAX_ENTRIES);
      if (more && slicesLeft > 1) slice = setImmediate(sweep, slicesLeft - 1);
    } catch (error) {
      logger.error({ err: error }, "maintenance of the store failed");
    }
  };
  const tick = () => {
    timer = clock.schedule(INTERVAL_MS, tick);
    if (slice === undefined) sweep(SLICES_MAX);
  };
  timer = clock.schedule(INTERVAL_MS, tick);
  return () => {
    timer.cancel();
    clearImmediate(slice);
  };
}

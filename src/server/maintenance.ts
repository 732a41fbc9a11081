/** Gives the store its time: regularly, and in slices one turn apart while there is sweeping to do. */
import type { Clock, Timer } from "../common/clock.ts";
import type { Store } from "../store/api/store.ts";
import type { Logger } from "../telemetry/telemetry.ts";

const INTERVAL_MS = 20;
/** A slice takes well under a millisecond. */
const SLICE_MAX_ENTRIES = 512;
/** Slices between two intervals, so that sweeping never takes the process over. */
const SLICES_MAX = 64;

/** Returns what stops it. A fault in the store is logged, and does not end the maintenance. */
export function maintainStore(store: Store, clock: Clock, logger: Logger): () => void {
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

/**
 * Runs deferred functions in later turns of the event loop, in the order in which they were deferred, and a limited number in
 * each turn. So an event for a thousand subscribers does not delay the calls that arrive meanwhile.
 */
import { setImmediate } from "node:timers";
import type { Boundary } from "../../common/boundary.ts";

/** Runs `run` once, in a later turn. */
export type Defer = (run: () => void) => void;

const TURN_MAX_RUNS = 64;

/** `boundary` contains what one function throws; the others run nevertheless. */
export function createTurnScheduler(boundary: Boundary): Defer {
  const waiting: (() => void)[] = [];
  const runSlice = boundary.guard(undefined, () => {
    // Functions that are deferred from here on run after all that wait already.
    const slice = waiting.splice(0, TURN_MAX_RUNS);
    if (waiting.length > 0) setImmediate(runSlice);
    for (const run of slice) {
      try {
        run();
      } catch (error) {
        boundary.caught(undefined, error);
      }
    }
  });
  return (run) => {
    // While others wait, their turn is set already.
    if (waiting.push(run) === 1) setImmediate(runSlice);
  };
}

/** Returns a function that defers `run`, unless it waits already. A flag for each `run` costs less than a common Set. */
export function deferOnce(defer: Defer, run: () => void): () => void {
  let waits = false;
  const runNow = (): void => {
    waits = false;
    run();
  };
  return () => {
    if (waits) return;
    waits = true;
    defer(runNow);
  };
}

/**
 * Runs what has become due in the next turns of the event loop, in its order. A turn runs a slice: calls come in
 * between, and an event for a thousand subscribers does not hold up everybody else.
 */
import type { Boundary } from "../../common/boundary.ts";

export type Defer = (run: () => void) => void;

const TURN_MAX_RUNS = 64;

/** What one run throws is contained by `boundary` and costs the others nothing. */
export function createTurnScheduler(boundary: Boundary): Defer {
  const waiting: (() => void)[] = [];
  const runSlice = boundary.guard(undefined, () => {
    // What is asked for from here on has its turn after all that waits.
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
    // As long as anything waits a turn is set.
    if (waiting.push(run) === 1) setImmediate(runSlice);
  };
}

/** Defers `run` when it is called, unless it waits already: no Set, which costs more than what it would keep apart. */
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

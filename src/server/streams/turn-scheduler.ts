/**
 * Runs deferred functions in later turns of the event loop, in the order in which they were deferred, and a limited number in
 * each turn. So an event for a thousand subscribers does not delay the calls that arrive meanwhile.
 */
import { setImmediate } from "node:timers";
import type { Boundary } from "../../common/boundary.ts";
import { Fifo } from "../../common/fifo.ts";
import type { Turns } from "../limits/turns.ts";

/** Runs `run` once, in a later turn. */
export type Defer = (run: () => void) => void;

const TURN_MAX_RUNS = 64;
/** So many run in a turn whose work is done already: calls cannot hold events back for ever. */
const TURN_MIN_RUNS = 4;

/**
 * `boundary` contains what one function throws; the others run nevertheless. `turns`: what the calls of the turn do counts
 * too. Default: it does not.
 */
export function createTurnScheduler(boundary: Boundary, turns?: Turns): Defer {
  const waiting = new Fifo<() => void>();
  let scheduled = false;
  const schedule = (): void => {
    scheduled = true;
    setImmediate(runSlice);
  };
  const runSlice = boundary.guard(undefined, () => {
    // Functions that are deferred from here on run after all that wait already.
    const sliceRuns = Math.min(waiting.length, TURN_MAX_RUNS);
    for (let ran = 0; ran < sliceRuns; ran++) {
      if (ran >= TURN_MIN_RUNS && turns?.over === true) break;
      try {
        waiting.shift()?.();
      } catch (error) {
        boundary.caught(undefined, error);
      }
    }
    scheduled = false;
    if (waiting.length > 0) schedule();
  });
  return (run) => {
    waiting.push(run);
    if (!scheduled) schedule();
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

/**
 * Runs what has become due in the next turns of the event loop, each once however often it was asked for. A
 * turn runs a slice: what its streams wrote goes out before the next ones write, so that an event for a
 * thousand subscribers reaches the first while the last are yet to be told, and calls come in between.
 */
export type Defer = (run: () => void) => void;

const TURN_MAX_RUNS = 64;

/** Asking again for what already waits does nothing, so pass the same function each time. */
export function createPumpScheduler(): Defer {
  const waiting = new Set<() => void>();
  let turn: NodeJS.Immediate | undefined;
  const runSlice = () => {
    // What is asked for from here on has its turn after all that waits.
    let left = Math.min(TURN_MAX_RUNS, waiting.size);
    turn = waiting.size > left ? setImmediate(runSlice) : undefined;
    for (const run of waiting) {
      if (left === 0) return;
      left -= 1;
      waiting.delete(run);
      run();
    }
  };
  return (run) => {
    waiting.add(run);
    if (turn === undefined) turn = setImmediate(runSlice);
  };
}

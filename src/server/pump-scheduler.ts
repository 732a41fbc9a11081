/** Runs what has become due once a turn of the event loop, however often it was asked for. */
export type Defer = (run: () => void) => void;

/** Asking again for what already waits does nothing, so pass the same function each time. */
export function createPumpScheduler(): Defer {
  let waiting = new Set<() => void>();
  const runAll = () => {
    const due = waiting;
    waiting = new Set();
    for (const run of due) run();
  };
  return (run) => {
    if (waiting.size === 0) setImmediate(runAll);
    waiting.add(run);
  };
}

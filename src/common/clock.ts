/** Time as a parameter: code that reads or schedules time takes a `Clock`, so that a test can replay every race. */
// Imported, since the global is an accessor that runs at every use, and every near hit reads the clock.
import { performance } from "node:perf_hooks";

/** A scheduled timer. `cancel` does nothing after the timer ran or was cancelled. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /**
   * Whole milliseconds since an arbitrary origin, which all threads of the process share. Monotonic, not the wall
   * clock.
   */
  nowMs(): number;
  /** The same time in microseconds, with fractions. */
  nowMicros(): number;
  /** Calls `run` once, after at least `delayMs`. With `holds`, the process does not end before. */
  schedule(delayMs: number, run: () => void, holds?: boolean): Timer;
}

/** `performance.now` counts from the start of the thread, `hrtime` from the same origin in every thread. */
const threadStartMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  nowMs: () => Math.floor(threadStartMs + performance.now()),
  nowMicros: () => (threadStartMs + performance.now()) * 1_000,
  schedule(delayMs, run, holds = false) {
    const timeout = setTimeout(run, delayMs);
    if (!holds) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};

/** Time as a parameter: what reads or schedules time takes a `Clock`, so that every race can be replayed. */
// Not the global: that one is looked up through an accessor at every call, and every near hit reads the clock.
import { performance } from "node:perf_hooks";

/** A timer that was scheduled and may be cancelled. Cancelling twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /**
   * Milliseconds since an arbitrary origin, a whole number that never goes back. Not the wall clock. The threads
   * of a process have the same origin.
   */
  nowMs(): number;
  /** The same with fractions, in microseconds: for what lasts less than a millisecond. */
  nowMicros(): number;
  /** Runs `run` once, `delayMs` from now or later. While it is pending it keeps the process alive if it `holds`. */
  schedule(delayMs: number, run: () => void, holds?: boolean): Timer;
}

/** `performance.now` counts from the start of its thread, and both from the same monotonic clock. */
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

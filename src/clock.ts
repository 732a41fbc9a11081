/** Time as a parameter: what reads or schedules time takes a `Clock`, so that every race can be replayed. */

/** A timer that was scheduled and may be cancelled. Cancelling twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since an arbitrary origin, a whole number that never goes back. Not the wall clock. */
  nowMs(): number;
  /** Runs `run` once, `delayMs` from now or later. While it is pending it keeps the process alive if it `holds`. */
  schedule(delayMs: number, run: () => void, holds?: boolean): Timer;
}

export const systemClock: Clock = {
  nowMs: () => Math.floor(performance.now()),
  schedule(delayMs, run, holds = false) {
    const timeout = setTimeout(run, delayMs);
    if (!holds) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};

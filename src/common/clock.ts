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
   * clock. On Linux it stands still while the host is suspended.
   */
  nowMs(): number;
  /** The same time in microseconds, with fractions. */
  nowMicros(): number;
  /** Whole milliseconds since 1970, by the wall clock. It goes on while the host is suspended, and can be set. */
  wallMs(): number;
  /** Calls `run` once, after at least `delayMs`. With `holds`, the process does not end before. */
  schedule(delayMs: number, run: () => void, holds?: boolean): Timer;
}

/** `performance.now` counts from the start of the thread, `hrtime` from the same origin in every thread. */
const threadStartMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const systemClock: Clock = {
  nowMs: () => Math.floor(threadStartMs + performance.now()),
  nowMicros: () => (threadStartMs + performance.now()) * 1_000,
  wallMs: () => Date.now(),
  schedule(delayMs, run, holds = false) {
    const timeout = setTimeout(run, delayMs);
    if (!holds) timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};

/** A moment by both clocks. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function momentOf(clock: Clock): Moment {
  return { monotonicMs: clock.nowMs(), wallMs: clock.wallMs() };
}

/** How long ago it was: by the clock that has gone further since, as one can stand still and the other be set back. */
export function ageOf({ monotonicMs, wallMs }: Moment, clock: Clock): number {
  return Math.max(clock.nowMs() - monotonicMs, clock.wallMs() - wallMs);
}

/** The wall clock, and the monotonic clock just before and just after. */
export interface BothClocks {
  readonly beforeMs: number;
  readonly wallMs: number;
  readonly afterMs: number;
}

/** A thread can stand still between two reads: it reads again so often. */
const READS_MAX = 4;

/** Reads both clocks together, for who compares them. */
export function readBoth(clock: Clock): BothClocks {
  let both: BothClocks;
  let reads = 0;
  do {
    const beforeMs = clock.nowMs();
    const wallMs = clock.wallMs();
    both = { beforeMs, wallMs, afterMs: clock.nowMs() };
    reads += 1;
  } while (both.afterMs - both.beforeMs > 1 && reads < READS_MAX);
  return both;
}

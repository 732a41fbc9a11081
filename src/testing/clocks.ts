/**
 * Clocks for tests. Time may stand still or leap, as it does with fake timers, while the sockets between client and server
 * go on: so timers that a leap has made due run once each, as after a suspension of the process. The wall clock goes with the
 * monotonic one.
 */
// Imported, so that fake timers do not replace it.
import { clearInterval, setInterval } from "node:timers";
import type { Clock, Timer } from "../common/clock.ts";

/** A clock that moves only when a test says so. */
export interface TestClock extends Clock {
  /**
   * Lets this many milliseconds pass at once, and runs the timers that are due then, each once and in their order. What they
   * ask of the server is answered later: await a call, or `cache.sync()`.
   */
  advance(byMs: number): void;
}

/** In real milliseconds. */
const LOOK_EVERY_MS = 5;

interface Scheduled {
  readonly atMs: number;
  readonly run: () => void;
  readonly holds: boolean;
}

/** Timers that run once their time has come, which is looked for every 5 real milliseconds. */
class DueTimers {
  readonly #nowMs: () => number;
  readonly #scheduled = new Set<Scheduled>();
  #looking: NodeJS.Timeout | undefined;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  add(delayMs: number, run: () => void, holds: boolean): Timer {
    const timer = { atMs: this.#nowMs() + Math.max(0, delayMs), run, holds };
    this.#scheduled.add(timer);
    this.#look();
    return {
      cancel: () => {
        if (this.#scheduled.delete(timer)) this.#look();
      },
    };
  }

  /** Runs what is due now. What that schedules waits for the next look. */
  runDue(): void {
    const nowMs = this.#nowMs();
    const due = [...this.#scheduled].filter(({ atMs }) => atMs <= nowMs);
    // The sort is stable, so timers of one time run in the order in which they were scheduled.
    for (const timer of due.sort((left, right) => left.atMs - right.atMs)) {
      if (this.#scheduled.delete(timer)) timer.run();
    }
    this.#look();
  }

  #look(): void {
    if (this.#scheduled.size === 0) {
      clearInterval(this.#looking);
      this.#looking = undefined;
      return;
    }
    this.#looking ??= setInterval(() => this.runDue(), LOOK_EVERY_MS);
    const holds = [...this.#scheduled].some((timer) => timer.holds);
    if (holds) this.#looking.ref();
    else this.#looking.unref();
  }
}

/** A clock that stands still until the test advances it. */
export function createTestClock(): TestClock {
  let timeMs = 1;
  const timers = new DueTimers(() => timeMs);
  return {
    nowMs: () => timeMs,
    nowMicros: () => timeMs * 1_000,
    wallMs: () => timeMs,
    schedule: (delayMs, run, holds = false) => timers.add(delayMs, run, holds),
    advance(byMs) {
      timeMs += Math.max(0, byMs);
      timers.runDue();
    },
  };
}

/**
 * A clock that follows `Date`, and so the fake timers of vitest, jest, sinon or node:test while they are installed. Where `Date`
 * is set back, time stands still.
 */
export function createFollowingClock(): Clock {
  let lastMs = 0;
  let behindMs = 0;
  const nowMs = () => {
    const dateMs = Date.now();
    behindMs += Math.max(0, lastMs - dateMs);
    lastMs = dateMs;
    return dateMs + behindMs;
  };
  const timers = new DueTimers(nowMs);
  return {
    nowMs,
    nowMicros: () => nowMs() * 1_000,
    wallMs: nowMs,
    schedule: (delayMs, run, holds = false) => timers.add(delayMs, run, holds),
  };
}

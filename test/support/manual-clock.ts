/** A clock that moves only when a test says so. Timers that come due on the way run in their order. */
import type { Clock, Timer } from "../../src/common/clock.ts";

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #nowMs: number;
  /** The wall clock, as far as it is ahead of the monotonic one. */
  #wallAheadMs = 1_700_000_000_000;
  #order = 0;
  readonly #scheduled = new Set<Scheduled>();

  constructor(startMs = 1_000) {
    this.#nowMs = startMs;
  }

  /** The clock of a process that starts so much later: its monotonic clock has another origin. */
  restarted(originMs: number, afterMs: number): ManualClock {
    const clock = new ManualClock(originMs);
    clock.setWall(this.wallMs() + afterMs - clock.wallMs());
    return clock;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  nowMicros(): number {
    return this.#nowMs * 1_000;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallAheadMs;
  }

  schedule(delayMs: number, run: () => void): Timer {
    const scheduled = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run };
    this.#scheduled.add(scheduled);
    return { cancel: () => this.#scheduled.delete(scheduled) };
  }

  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs;
    for (let next = this.#nextUntil(untilMs); next !== undefined; next = this.#nextUntil(untilMs)) {
      this.#scheduled.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
    }
    this.#nowMs = untilMs;
  }

  /** How many timers are scheduled. */
  get pending(): number {
    return this.#scheduled.size;
  }

  /** Time passes and no timer runs, as in a paused process. */
  leap(byMs: number): void {
    this.#nowMs += byMs;
  }

  /** The host is suspended: the wall clock goes on, the monotonic clock and the timers stand still. */
  suspend(forMs: number): void {
    this.#wallAheadMs += forMs;
  }

  /** Somebody sets the wall clock, forth or, below 0, back. */
  setWall(byMs: number): void {
    this.#wallAheadMs += byMs;
  }

  #nextUntil(untilMs: number): Scheduled | undefined {
    return [...this.#scheduled]
      .filter((scheduled) => scheduled.atMs <= untilMs)
      .sort((left, right) => left.atMs - right.atMs || left.order - right.order)[0];
  }
}

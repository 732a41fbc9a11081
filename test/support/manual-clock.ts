/** A clock that moves only when a test says so. Timers that come due on the way run in their order. */
import type { Clock, Timer } from "../../src/common/clock.ts";

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #scheduled = new Set<Scheduled>();

  constructor(startMs = 1_000) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  nowMicros(): number {
    return this.#nowMs * 1_000;
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

  #nextUntil(untilMs: number): Scheduled | undefined {
    return [...this.#scheduled]
      .filter((scheduled) => scheduled.atMs <= untilMs)
      .sort((left, right) => left.atMs - right.atMs || left.order - right.order)[0];
  }
}

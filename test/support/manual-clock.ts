/** A clock that stands still until it is told to go on; what is scheduled runs on the way, in its order. */
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

  /** Timers that are scheduled. */
  get pending(): number {
    return this.#scheduled.size;
  }

  /** Time passes without anything running, as for a process that was paused. */
  leap(byMs: number): void {
    this.#nowMs += byMs;
  }

  #nextUntil(untilMs: number): Scheduled | undefined {
    return [...this.#scheduled]
      .filter((scheduled) => scheduled.atMs <= untilMs)
      .sort((left, right) => left.atMs - right.atMs || left.order - right.order)[0];
  }
}

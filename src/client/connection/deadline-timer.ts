/** Fails the calls whose deadline has passed, with one timer for all calls of the window. */
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import type { Call } from "./pending-call.ts";

export class DeadlineTimer {
  readonly #clock: Clock;
  readonly #calls: () => Iterable<Call>;
  readonly #overdue: (calls: readonly Call[]) => void;
  #timer: Timer | undefined;
  #runsAtMs = Number.POSITIVE_INFINITY;

  /** `calls`: all calls that may still be unsettled. `overdue` is told of those that failed, if there are any. */
  constructor(clock: Clock, calls: () => Iterable<Call>, overdue: (calls: readonly Call[]) => void) {
    this.#clock = clock;
    this.#calls = calls;
    this.#overdue = overdue;
  }

  /** The timer runs at `atMs` at the latest. It looks at all calls then, which is rare: about once a deadline. */
  schedule(atMs: number): void {
    if (atMs >= this.#runsAtMs) return;
    this.#timer?.cancel();
    this.#runsAtMs = atMs;
    const delayMs = Math.max(0, atMs - this.#clock.nowMs());
    this.#timer = this.#clock.schedule(delayMs, () => this.#failOverdue());
  }

  cancel(): void {
    this.#timer?.cancel();
  }

  #failOverdue(): void {
    this.#runsAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.nowMs();
    let nextAtMs = Number.POSITIVE_INFINITY;
    const overdue: Call[] = [];
    for (const call of this.#calls()) {
      if (call.settled) continue;
      if (call.plan.deadlineAtMs <= nowMs) {
        overdue.push(call);
        call.fail(new CacheError("DEADLINE", "there was no answer by the deadline"));
      } else nextAtMs = Math.min(nextAtMs, call.plan.deadlineAtMs);
    }
    if (nextAtMs < Number.POSITIVE_INFINITY) this.schedule(nextAtMs);
    if (overdue.length > 0) this.#overdue(overdue);
  }
}

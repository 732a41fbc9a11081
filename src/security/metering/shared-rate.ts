/**
 * A rate over all threads of a process: the generic cell rate algorithm (GCRA, ITU-T I.371), whose state is one cell of
 * shared memory. Each thread takes some units at a time, so that most events cost it no access to that cell: together they
 * never get more than the rate and the burst, and one that pauses keeps at most a 64th of the burst.
 *
 * What an event takes may be known only when it is over, and may be more than the burst. So an event is admitted as long as
 * there is no debt, and all that it took is paid for before the next one.
 */
import type { Clock } from "../../common/clock.ts";

export interface RateLimits {
  /** On average. */
  readonly perSecond: number;
  /** What may come at once after a pause. At least 1. */
  readonly burst: number;
}

const SECOND_NS = 1e9;
const MILLISECOND_NS = 1e6;
/** The most that a thread takes at a time: what comes in a millisecond, and a part of the burst. */
const TAKES_PER_SECOND = 1_000;
const TAKES_PER_BURST = 64;
/** Of a unit: what the division of two times may be off by. */
const ROUNDING = 1e-6;

export class SharedRate {
  readonly #clock: Clock;
  /** The theoretical arrival time of the next unit, in nanoseconds of the clock that all threads share. */
  readonly #due: BigInt64Array;
  #intervalNs = 0;
  #burst = 0;
  #takeMax = 0;
  /** Units that were taken for this thread and are left. */
  #left = 0;

  /** `due`: one cell, at first 0. */
  constructor(due: BigInt64Array, limits: RateLimits, clock: Clock) {
    this.#due = due;
    this.#clock = clock;
    this.follow(limits);
  }

  /** From now on the limits are these. */
  follow({ perSecond, burst }: RateLimits): void {
    this.#intervalNs = SECOND_NS / perSecond;
    this.#burst = burst;
    this.#takeMax = Math.max(1, Math.floor(Math.min(perSecond / TAKES_PER_SECOND, burst / TAKES_PER_BURST)));
  }

  /** 0: an event may come now. Otherwise in so many milliseconds, if no other comes before. */
  waitMs(): number {
    return this.#left > 0 ? 0 : this.#take();
  }

  /** Counts units of an event that was admitted, however many. */
  spend(units: number): void {
    this.#left -= units;
    if (this.#left < 0) this.#pay(Number.POSITIVE_INFINITY);
  }

  /** Counts units of an event that is always admitted. Of what was not, at most one burst has to be waited for. */
  count(units: number): void {
    this.#left -= units;
    if (this.#left < 0) this.#pay(2 * this.#burst * this.#intervalNs);
  }

  #take(): number {
    const nowNs = this.#nowNs();
    for (;;) {
      const found = Atomics.load(this.#due, 0);
      const dueNs = Math.max(Number(found), nowNs);
      const room = Math.floor(this.#burst - (dueNs - nowNs) / this.#intervalNs + ROUNDING);
      if (room < 1) return (dueNs - nowNs + (1 - this.#burst) * this.#intervalNs) / MILLISECOND_NS;
      const taken = Math.min(room, this.#takeMax);
      if (!this.#replace(found, dueNs + taken * this.#intervalNs)) continue;
      this.#left += taken;
      return 0;
    }
  }

  /** Pays what this thread owes. The next unit is not due later than `aheadMaxNs` from now, for what is paid here. */
  #pay(aheadMaxNs: number): void {
    const nowNs = this.#nowNs();
    const owedNs = -this.#left * this.#intervalNs;
    this.#left = 0;
    for (;;) {
      const found = Atomics.load(this.#due, 0);
      const dueNs = Math.max(Number(found), nowNs);
      if (this.#replace(found, Math.max(dueNs, Math.min(dueNs + owedNs, nowNs + aheadMaxNs)))) return;
    }
  }

  /** False: another thread was faster. */
  #replace(found: bigint, dueNs: number): boolean {
    return Atomics.compareExchange(this.#due, 0, found, BigInt(Math.ceil(dueNs))) === found;
  }

  #nowNs(): number {
    return this.#clock.nowMicros() * 1_000;
  }
}

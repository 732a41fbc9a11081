/** A rate limiter: the generic cell rate algorithm (GCRA, ITU-T I.371), with a burst. */

export interface GcraLimits {
  /** The average time between two events. */
  readonly intervalMicros: number;
  /** Events that may come at once after a pause. At least 1. */
  readonly burst: number;
}

export class Gcra {
  readonly #intervalMicros: number;
  readonly #burst: number;
  /** The theoretical arrival time of the next event: one interval after the last one. */
  #nextDueMicros = 0;

  constructor({ intervalMicros, burst }: GcraLimits) {
    this.#intervalMicros = intervalMicros;
    this.#burst = burst;
  }

  /** Whether an event now is within the rate. */
  allows(nowMicros: number): boolean {
    return nowMicros >= this.#nextDueMicros - (this.#burst - 1) * this.#intervalMicros;
  }

  /** Counts an event, within the rate or not. */
  count(nowMicros: number): void {
    const dueMicros = Math.max(this.#nextDueMicros, nowMicros) + this.#intervalMicros;
    // `count` may run without `allows`. The recorded debt is capped at one burst.
    this.#nextDueMicros = Math.min(dueMicros, nowMicros + this.#burst * this.#intervalMicros);
  }
}

/** How often something may be done: a virtual schedule (GCRA, ITU-T I.371), which it may be ahead of by a few. */

export interface GcraLimits {
  readonly intervalMicros: number;
  /** So many times at once. */
  readonly burst: number;
}

export class Gcra {
  readonly #intervalMicros: number;
  readonly #burst: number;
  /** When the next is due, were all one gap apart. */
  #dueMicros = 0;

  constructor({ intervalMicros, burst }: GcraLimits) {
    this.#intervalMicros = intervalMicros;
    this.#burst = burst;
  }

  /** The schedule has room for one more. */
  allows(nowMicros: number): boolean {
    return nowMicros >= this.#dueMicros - (this.#burst - 1) * this.#intervalMicros;
  }

  /** It is done once, whether or not there was room. */
  count(nowMicros: number): void {
    const dueMicros = Math.max(this.#dueMicros, nowMicros) + this.#intervalMicros;
    // Who does not ask may be faster than the schedule for ever, and leaves no debt.
    this.#dueMicros = Math.min(dueMicros, nowMicros + this.#burst * this.#intervalMicros);
  }
}

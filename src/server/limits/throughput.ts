/**
 * How many unary calls may be under way, so that none waits long for its turn. By Little's law a call waits for as long as the
 * calls before it take: so under pressure there are as many as end within the longest wait. Without pressure the
 * bound doubles again and again, until it bounds nothing.
 */

/** Whoever has few connections needs some calls on each. */
const LEAST_CALLS = 16;
/** From one look to the next without pressure: not too fast, or pressure is back before the calls that cause it are seen. */
const GROWTH = 1.25;
const MUCH_TOO_LONG = 4;
/** No server ends so many within a look: no bound is needed beyond. */
const UNBOUNDED_CALLS = 100_000;

export class Throughput {
  readonly #waitMaxMs: number;
  #lookedAtMs: number;
  #ended = 0;
  #callsMax = Number.POSITIVE_INFINITY;
  #waitIsLong = false;
  #changed: (() => void) | undefined;

  /** `waitMaxMs`: what a call may wait for its turn. */
  constructor(waitMaxMs: number, nowMs: number) {
    this.#waitMaxMs = waitMaxMs;
    this.#lookedAtMs = nowMs;
  }

  /** Calls that may be under way. Infinity: as many as connections may have. */
  get callsMax(): number {
    return this.#callsMax;
  }

  /** Calls `changed` whenever the bound has changed. */
  whenChanged(changed: () => void): void {
    this.#changed = changed;
  }

  /** A call has ended. */
  ended(): void {
    this.#ended += 1;
  }

  /** To be called a few times a second. `oldestWaitMs`: of the call that waits longest for its turn. */
  check(nowMs: number, oldestWaitMs: number): void {
    const passedMs = nowMs - this.#lookedAtMs;
    if (passedMs <= 0) return;
    const perMs = this.#ended / passedMs;
    this.#ended = 0;
    this.#lookedAtMs = nowMs;
    const wasLong = this.#waitIsLong;
    this.#waitIsLong = oldestWaitMs > this.#waitMaxMs;
    const before = this.#callsMax;
    if (!this.#waitIsLong)
      this.#callsMax = GROWTH * before < UNBOUNDED_CALLS ? GROWTH * before : Number.POSITIVE_INFINITY;
    // One long wait may be a pause of the host.
    else if (wasLong || oldestWaitMs > MUCH_TOO_LONG * this.#waitMaxMs)
      this.#callsMax = Math.max(LEAST_CALLS, Math.ceil(perMs * this.#waitMaxMs));
    if (this.#callsMax !== before) this.#changed?.();
  }
}

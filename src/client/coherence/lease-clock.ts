/**
 * The time by which leases and TTLs are counted. The monotonic clock stands still while the host is suspended, and the
 * wall clock can be set. So what is sent is stamped by the one, and what is read is judged by the other:
 *
 *   nowMs()   the wall clock alone, which goes on in suspension. A hit reads this one clock.
 *   sentMs()  the wall clock as it was at the last pulse, and the monotonic time since. Setting the wall clock does not
 *             move it, and after a suspension it is behind, so that what is sent seems older than it is, never younger.
 *
 * A pulse compares both clocks. After it, times from before a divergence mean nothing.
 */
import { type BothClocks, type Clock, readBoth } from "../../common/clock.ts";

/** What two clocks may differ by from one pulse to the next: they do not tick alike, and are read as whole numbers. */
const DRIFT_MAX_MS = 10;
const DRIFT_MAX_SHARE = 0.001;
export class LeaseClock {
  readonly #clock: Clock;
  #last: BothClocks;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = readBoth(clock);
  }

  nowMs(): number {
    return this.#clock.wallMs();
  }

  sentMs(): number {
    return this.#last.wallMs + this.#clock.nowMs() - this.#last.afterMs;
  }

  /** `nowMs()` at the last pulse. */
  get pulsedAtMs(): number {
    return this.#last.wallMs;
  }

  /**
   * By how much the wall clock has gone ahead of the monotonic one since the last pulse, in ms: the host was suspended, or
   * the clock was set. Below 0: it was set back. 0: both went on together.
   */
  pulse(): number {
    const last = this.#last;
    const now = readBoth(this.#clock);
    this.#last = now;
    const passedMs = now.wallMs - last.wallMs;
    const leastMs = passedMs - (now.afterMs - last.beforeMs);
    const mostMs = passedMs - (now.beforeMs - last.afterMs);
    const driftMs = DRIFT_MAX_MS + DRIFT_MAX_SHARE * (now.afterMs - last.beforeMs);
    if (leastMs > driftMs) return leastMs;
    return mostMs < -driftMs ? mostMs : 0;
  }
}

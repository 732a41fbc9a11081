/** The pings that were sent on one stream and are not answered, and how long the server has been silent. */
import type { Clock } from "../../common/clock.ts";

export interface SentPing {
  /** By the monotonic clock: how long the server is silent. */
  readonly sentAtMs: number;
  /** By the lease clock. Undefined: the clocks have diverged since then, so that it renews no lease. */
  leaseFromMs: number | undefined;
  /** Called when it is answered. */
  readonly answered: (() => void) | undefined;
}

export class SentPings {
  readonly #clock: Clock;
  /** By nonce; the oldest first. */
  readonly #pings = new Map<bigint, SentPing>();
  #lastNonce = 0n;
  #lastPartAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Notes a ping that is about to be sent and returns its nonce. */
  add(leaseFromMs: number, answered: (() => void) | undefined): bigint {
    this.#lastNonce += 1n;
    this.#pings.set(this.#lastNonce, { sentAtMs: this.#clock.nowMs(), leaseFromMs, answered });
    return this.#lastNonce;
  }

  /** The clocks have diverged: no ping that is under way renews the lease. */
  forgetLeases(): void {
    for (const ping of this.#pings.values()) ping.leaseFromMs = undefined;
  }

  /** The ping with this nonce was answered. Undefined: there is none. */
  take(nonce: bigint): SentPing | undefined {
    const ping = this.#pings.get(nonce);
    if (ping === undefined) return undefined;
    this.#pings.delete(nonce);
    ping.answered?.();
    return ping;
  }

  /** A part of a large answer came. A ping is answered behind all its parts, so silence counts from the last of them. */
  partReceived(): void {
    this.#lastPartAtMs = this.#clock.nowMs();
  }

  /** Every ping is answered. */
  get areAnswered(): boolean {
    return this.#pings.size === 0;
  }

  /** How long the oldest ping has been without an answer. 0: every ping is answered. */
  silenceMs(): number {
    for (const ping of this.#pings.values()) {
      return this.#clock.nowMs() - Math.max(ping.sentAtMs, this.#lastPartAtMs);
    }
    return 0;
  }

  clear(): void {
    this.#pings.clear();
  }
}

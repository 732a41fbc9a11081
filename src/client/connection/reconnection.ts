/** Which address is tried next, and how long after a failure: every address in turn, with backoff between tries. */
import type { Clock, Timer } from "../../common/clock.ts";
import type { CacheError } from "../../common/errors.ts";
import type { Rng } from "../../common/random.ts";

export interface ReconnectionOptions {
  /** At least one. */
  readonly addresses: readonly string[];
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
}

interface ReconnectionDeps {
  readonly clock: Clock;
  readonly rng: Rng;
}

export class Reconnection {
  /** Why the last attempt failed, or the last stream ended. */
  lastFailure: CacheError | undefined;
  readonly #options: ReconnectionOptions;
  readonly #deps: ReconnectionDeps;
  #addressIndex = 0;
  /** Attempts that failed since the last stream became ready. */
  #failedAttempts = 0;
  #backoffTimer: Timer | undefined;

  constructor(options: ReconnectionOptions, deps: ReconnectionDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Where the next attempt goes. */
  get address(): string {
    const { addresses } = this.#options;
    return addresses[this.#addressIndex % addresses.length] ?? "";
  }

  /** All of them, in the order in which they are tried. */
  get addresses(): readonly string[] {
    return this.#options.addresses;
  }

  /** Every address has failed since the last stream was ready. */
  get isExhausted(): boolean {
    return this.#failedAttempts >= this.#options.addresses.length;
  }

  /** The next attempt is scheduled. */
  get isWaiting(): boolean {
    return this.#backoffTimer !== undefined;
  }

  attemptFailed(): void {
    this.#failedAttempts += 1;
    this.skipAddress();
  }

  attemptSucceeded(): void {
    this.#failedAttempts = 0;
  }

  skipAddress(): void {
    this.#addressIndex += 1;
  }

  /**
   * Runs `attempt` after a random delay of up to `backoffMinMs`, doubled by each failed round through the addresses, up
   * to `backoffMaxMs`. Full jitter: the clients of a restarted server do not all come back at once (Brooker,
   * "Exponential backoff and jitter", 2015). A server that has said when to come back is not asked before, except after
   * `backoffMaxMs`.
   */
  schedule(attempt: () => void): void {
    const { addresses, backoffMinMs, backoffMaxMs } = this.#options;
    const { clock, rng } = this.#deps;
    const failedRounds = Math.floor(this.#failedAttempts / addresses.length);
    const backoffMs = rng.fraction() * Math.min(backoffMaxMs, backoffMinMs * 2 ** failedRounds);
    const askedMs = Math.min(backoffMaxMs, this.lastFailure?.retryAfterMs ?? 0);
    const delayMs = Math.ceil(askedMs + backoffMs);
    const run = () => {
      this.#backoffTimer = undefined;
      attempt();
    };
    // The timer keeps the process alive, as an open socket does: a caller may be waiting for its answer.
    this.#backoffTimer = clock.schedule(delayMs, run, true);
  }

  cancel(): void {
    this.#backoffTimer?.cancel();
  }
}

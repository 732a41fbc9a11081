/** Loads that failed a moment ago: their keys are not loaded again until their cooldown is over. */
import type { Clock } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";

/** Keys of one namespace that are remembered; beyond that the oldest failure is forgotten, and its key loaded again. */
export const FAILED_LOADS_MAX = 1_024;

/** A cooldown is shortened by up to this share at random, so that keys that failed together do not load together. */
const JITTER = 0.25;

export interface FailedLoad {
  readonly error: unknown;
  readonly untilMs: number;
}

export interface FailedLoadsDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  /** 0: failures are not remembered. */
  readonly cooldownMs: number;
  /** A failure was forgotten before its cooldown was over. */
  onForget(): void;
}

export class FailedLoads {
  readonly #deps: FailedLoadsDeps;
  /** In the order in which they failed. */
  #failures: Map<string, FailedLoad> | undefined;

  constructor(deps: FailedLoadsDeps) {
    this.#deps = deps;
  }

  failed(key: string, error: unknown): void {
    const { clock, rng, cooldownMs } = this.#deps;
    if (cooldownMs === 0) return;
    this.#failures ??= new Map();
    this.#failures.delete(key);
    const untilMs = clock.nowMs() + cooldownMs * (1 - JITTER * rng.fraction());
    this.#failures.set(key, { error, untilMs });
    if (this.#failures.size > FAILED_LOADS_MAX) this.#forgetOldest(this.#failures);
  }

  succeeded(key: string): void {
    this.#failures?.delete(key);
  }

  /** The failure of a key whose cooldown is not over. */
  of(key: string): FailedLoad | undefined {
    const failure = this.#failures?.get(key);
    if (failure === undefined || this.#deps.clock.nowMs() < failure.untilMs) return failure;
    this.#failures?.delete(key);
    return undefined;
  }

  #forgetOldest(failures: Map<string, FailedLoad>): void {
    for (const [key, { untilMs }] of failures) {
      failures.delete(key);
      if (this.#deps.clock.nowMs() < untilMs) this.#deps.onForget();
      return;
    }
  }
}

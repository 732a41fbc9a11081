/**
 * Revalidates suspect entries in the background after a gap: in batches, each after a random delay, so that a
 * mass reconnect overloads neither the server nor the origin. An entry that it does not reach is revalidated
 * when it is read.
 */
import type { Clock, Timer } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";

/** The reads of one round trip. Most are answered "not modified". */
const BATCH_ENTRIES = 256;

/** An entry that may be out of date. */
export interface Suspect {
  readonly key: string;
  readonly owner: {
    /** False when the entry was revalidated, invalidated or evicted since. */
    isSuspect(key: string): boolean;
    revalidate(key: string): Promise<unknown>;
  };
}

export interface RevalidationDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  /** The longest delay before a batch. */
  readonly jitterMs: number;
  /** For each gap. 0 turns background revalidation off. */
  readonly maxEntries: number;
  /** The entries to revalidate, the most recently used first. */
  suspects(limit: number): readonly Suspect[];
}

export class Revalidation {
  readonly #deps: RevalidationDeps;
  #suspects: readonly Suspect[] = [];
  #next = 0;
  #timer: Timer | undefined;
  /** Incremented by each start and stop, so that an older round ends. */
  #round = 0;

  constructor(deps: RevalidationDeps) {
    this.#deps = deps;
  }

  /** Called after a gap. Restarts a round that is under way. */
  start(): void {
    this.stop();
    if (this.#deps.maxEntries > 0) this.#schedule(() => this.#begin());
  }

  stop(): void {
    this.#round += 1;
    this.#timer?.cancel();
    this.#suspects = [];
    this.#next = 0;
  }

  #begin(): void {
    this.#suspects = this.#deps.suspects(this.#deps.maxEntries);
    this.#next = 0;
    this.#revalidateSome();
  }

  #revalidateSome(): void {
    const some = this.#takeSome();
    if (some.length === 0) return;
    const round = this.#round;
    // An entry whose read failed stays suspect. The round ends, because the connection is the likely cause.
    Promise.all(some.map(async ({ key, owner }) => owner.revalidate(key))).then(
      () => {
        if (round === this.#round && this.#next < this.#suspects.length) {
          this.#schedule(() => this.#revalidateSome());
        }
      },
      () => undefined,
    );
  }

  #takeSome(): Suspect[] {
    const some: Suspect[] = [];
    while (some.length < BATCH_ENTRIES && this.#next < this.#suspects.length) {
      const suspect = this.#suspects[this.#next];
      this.#next += 1;
      if (suspect?.owner.isSuspect(suspect.key)) some.push(suspect);
    }
    return some;
  }

  #schedule(run: () => void): void {
    const { clock, rng, jitterMs } = this.#deps;
    this.#timer = clock.schedule(Math.floor(rng.fraction() * jitterMs), run);
  }
}

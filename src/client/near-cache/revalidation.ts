/**
 * Revalidates suspect entries in the background after a gap: in batches, each after a random delay, so that a
 * mass reconnect overloads neither the server nor the origin. An entry that it does not reach is revalidated
 * when it is read.
 */
import type { Clock, Timer } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";

/** The reads of one message. Most are answered "not modified". */
const BATCH_KEYS = 256;

export interface RevalidationDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  /** The longest delay before a batch. */
  readonly jitterMs: number;
  /** For each gap. 0 turns background revalidation off. */
  readonly maxEntries: number;
  /** The keys to revalidate, the most recently used first. */
  suspects(limit: number): string[];
  /** False when the entry was revalidated, invalidated or evicted since. */
  isSuspect(key: string): boolean;
  revalidate(key: string): Promise<unknown>;
}

export class Revalidation {
  readonly #deps: RevalidationDeps;
  #keys: string[] = [];
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
    this.#keys = [];
  }

  #begin(): void {
    this.#keys = this.#deps.suspects(this.#deps.maxEntries);
    this.#next();
  }

  #next(): void {
    const keys = this.#keys.splice(0, BATCH_KEYS).filter((key) => this.#deps.isSuspect(key));
    if (keys.length === 0) {
      if (this.#keys.length > 0) this.#next();
      return;
    }
    const round = this.#round;
    // An entry whose read failed stays suspect. The round ends, because the connection is the likely cause.
    Promise.all(keys.map(async (key) => this.#deps.revalidate(key))).then(
      () => {
        if (round === this.#round && this.#keys.length > 0) this.#schedule(() => this.#next());
      },
      () => undefined,
    );
  }

  #schedule(run: () => void): void {
    const { clock, rng, jitterMs } = this.#deps;
    this.#timer = clock.schedule(Math.floor(rng.fraction() * jitterMs), run);
  }
}

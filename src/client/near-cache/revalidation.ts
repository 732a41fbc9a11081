/**
 * Revalidates suspects in the background after a gap: a few at a time, starting at random, so that a mass
 * reconnect stampedes neither the server nor the origin. What it does not reach is revalidated when it is read.
 */
import type { Clock, Timer } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";

/** One message of reads, most of which are answered "not modified". */
const BATCH_KEYS = 256;

export interface RevalidationDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly jitterMs: number;
  readonly maxEntries: number;
  /** The keys to revalidate, the most wanted first. */
  suspects(limit: number): string[];
  /** Still a suspect: it may have been read, invalidated or evicted since. */
  isSuspect(key: string): boolean;
  revalidate(key: string): Promise<unknown>;
}

export class Revalidation {
  readonly #deps: RevalidationDeps;
  #keys: string[] = [];
  #timer: Timer | undefined;
  /** Goes up with each start and stop, so that an older round does not go on. */
  #round = 0;

  constructor(deps: RevalidationDeps) {
    this.#deps = deps;
  }

  /** There was a gap. A round that is under way begins again. */
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
    // What fails stays suspect; when the connection is the reason, the rest would fail too.
    Promise.all(keys.map((key) => this.#deps.revalidate(key))).then(
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

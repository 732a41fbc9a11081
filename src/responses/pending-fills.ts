/**
 * Answers whose callers have them already, and which are still on their way into the cache. A later call of this process for the same
 * key waits for that, and so finds its own process's answer in memory instead of asking for it again.
 *
 * Nothing is promised to a caller about the cache: the lease of the load decides whether its answer may be stored, and an invalidation
 * after the caller had it voids the lease.
 */

/** Each holds its answer until the cache has acknowledged it. Beyond it callers wait for that. */
const FILLS_MAX = 256;

export class PendingFills {
  readonly #max: number;
  readonly #byKey = new Map<string, Promise<void>>();

  constructor(max: number = FILLS_MAX) {
    this.#max = max;
  }

  get hasRoom(): boolean {
    return this.#byKey.size < this.#max;
  }

  /** Undefined: there is none. Otherwise resolves at its end, and never rejects. */
  of(key: string): Promise<void> | undefined {
    return this.#byKey.get(key);
  }

  add(key: string, filling: Promise<unknown>): void {
    const end = () => {
      if (this.#byKey.get(key) === ended) this.#byKey.delete(key);
    };
    const ended = filling.then(end, end);
    this.#byKey.set(key, ended);
  }
}

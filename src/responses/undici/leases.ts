/**
 * The leases of requests under way, each the right to store what the origin answers. undici does not say when it will not store an
 * answer, so a lease may belong to a request that is over.
 */
import { loaded } from "../../client/api/load-result.ts";
import type { Namespace } from "../../client/namespace.ts";
import { CacheError } from "../../common/errors.ts";

/** The right to store what the origin answers to one request. */
export interface Right {
  keep(encoded: Buffer, lifetime: KeptFor): void;
  giveUp(): void;
}

export interface KeptFor {
  readonly ttlMs: number;
  readonly tags: readonly string[];
}

/** Beyond it the oldest lease is given up for a new one. */
const LEASES_MAX = 1_024;

interface Lease {
  /** Undefined: it is being asked for. */
  right: Right | undefined;
}

export class Leases {
  readonly #responses: Namespace<Buffer>;
  readonly #timeoutMs: number;
  readonly #byPlace = new Map<string, Lease>();

  constructor(responses: Namespace<Buffer>, timeoutMs: number) {
    this.#responses = responses;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Resolves when it is known who may store what is asked for now. A lease from before serves as well: it would have ended with an
   * invalidation since. Undefined: somebody else, or there is no cache.
   */
  async take(place: string): Promise<Right | undefined> {
    const held = this.#byPlace.get(place);
    if (held !== undefined) return held.right;
    if (this.#byPlace.size >= LEASES_MAX && !this.#giveUpOldest()) return undefined;
    const lease: Lease = { right: undefined };
    this.#byPlace.set(place, lease);
    await this.#ask(place, lease);
    return lease.right;
  }

  #ask(place: string, lease: Lease): Promise<void> {
    return new Promise((known) => {
      const loading = this.#responses.entry(place, {
        loader: () =>
          new Promise((resolve, reject) => {
            lease.right = {
              keep: (encoded, lifetime) => resolve(loaded(encoded, lifetime)),
              giveUp: () => reject(new CacheError("CANCELLED", "the response is not stored")),
            };
            known();
          }),
        waitMs: 0,
        hardTimeoutMs: this.#timeoutMs,
        failOpen: false,
      });
      const ended = () => {
        if (this.#byPlace.get(place) === lease) this.#byPlace.delete(place);
        known();
      };
      loading.then(ended, ended);
    });
  }

  /** False: all are being asked for. */
  #giveUpOldest(): boolean {
    for (const [place, { right }] of this.#byPlace) {
      if (right === undefined) continue;
      this.#byPlace.delete(place);
      right.giveUp();
      return true;
    }
    return false;
  }
}

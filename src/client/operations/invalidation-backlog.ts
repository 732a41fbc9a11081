/**
 * The names of all namespaces whose invalidation waits for a connection. Bounded in number and in bytes: when there is no
 * room, the names of the largest namespace become a clear of it.
 */
import type { QueuedName } from "./queued-name.ts";
import { QueuedNames } from "./queued-names.ts";

export interface BacklogLimits {
  readonly maxNames: number;
  readonly maxBytes: number;
}

export class InvalidationBacklog {
  readonly #limits: BacklogLimits;
  readonly #overflowed: (namespace: string) => void;
  readonly #byNamespace = new Map<string, QueuedNames>();
  /** Those with more than one name. There may be very many others, and each has the one that it needs. */
  readonly #large = new Map<string, QueuedNames>();
  #names = 0;
  #bytes = 0;

  /** `overflowed` is called when the names of a namespace have become a clear. */
  constructor(limits: BacklogLimits, overflowed: (namespace: string) => void) {
    this.#limits = limits;
    this.#overflowed = overflowed;
  }

  get size(): number {
    return this.#names;
  }

  add(namespace: string, names: readonly QueuedName[]): void {
    const queued = this.#byNamespace.get(namespace) ?? new QueuedNames();
    this.#byNamespace.set(namespace, queued);
    this.#change(namespace, queued, () => {
      for (const name of names) queued.add(name);
    });
    this.#makeRoom();
  }

  all(): { readonly namespace: string; readonly names: readonly QueuedName[] }[] {
    return Array.from(this.#byNamespace, ([namespace, queued]) => ({ namespace, names: queued.all() }));
  }

  /** As `all`, and forgets them. */
  take(): { readonly namespace: string; readonly names: readonly QueuedName[] }[] {
    const all = this.all();
    this.#byNamespace.clear();
    this.#large.clear();
    this.#names = 0;
    this.#bytes = 0;
    return all;
  }

  #makeRoom(): void {
    const { maxNames, maxBytes } = this.#limits;
    while (this.#names > maxNames || this.#bytes > maxBytes) {
      const largest = this.#largest();
      if (largest === undefined) return;
      const [namespace, names] = largest;
      this.#change(namespace, names, () => names.overflow());
      this.#overflowed(namespace);
    }
  }

  /** Undefined: each namespace has one name, or is a clear. */
  #largest(): readonly [namespace: string, names: QueuedNames] | undefined {
    let largest: readonly [string, QueuedNames] | undefined;
    for (const one of this.#large) {
      const [, names] = one;
      if (names.bytes > (largest?.[1].bytes ?? 0)) largest = one;
    }
    return largest;
  }

  #change(namespace: string, queued: QueuedNames, change: () => void): void {
    const { size, bytes } = queued;
    change();
    if (queued.size > 1) this.#large.set(namespace, queued);
    else this.#large.delete(namespace);
    this.#names += queued.size - size;
    this.#bytes += queued.bytes - bytes;
  }
}

/**
 * Entries by key, bounded in bytes. CLOCK (Corbató, 1969) chooses what to evict: an approximation of LRU in which a hit
 * sets one bit and moves nothing. The oldest entry is evicted, unless it was read since it was stored or last spared;
 * then it is spared and becomes the newest.
 *
 * Several caches may share one budget: then the oldest entry of all of them is evicted, whosever it is.
 */
import { type Linked, LinkedList } from "../../common/linked-list.ts";

/** In one eviction. It bounds the work of a fill when every entry was read. */
const SPARED_MAX = 64;

/** Who has entries of a budget. */
export interface ClockOwner {
  /** Others need the memory of the entry with this key. */
  evict(key: string): void;
}

export interface RemovalListener<Entry> {
  /** Called for every entry that leaves the cache, for whatever reason. */
  removed(entry: Entry): void;
}

/** The fields that the caches need in an entry. Only they write `used`, `older` and `newer`. */
export interface ClockEntry<Entry> extends Linked<Entry> {
  readonly key: string;
  readonly sizeBytes: number;
  readonly owner: ClockOwner;
  /** Read since it was stored or last spared. */
  used: boolean;
}

/** The bytes that caches share, and the order in which their entries are evicted. */
export class ClockBudget<Entry extends ClockEntry<Entry>> {
  readonly maxBytes: number;
  readonly #entries = new LinkedList<Entry>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Returns how many other entries were evicted. */
  add(entry: Entry): number {
    const evicted = this.#makeRoom(entry.sizeBytes);
    this.#entries.add(entry);
    this.#bytes += entry.sizeBytes;
    return evicted;
  }

  delete(entry: Entry): void {
    if (this.#entries.delete(entry)) this.#bytes -= entry.sizeBytes;
  }

  /** The used entries, then the others, each from the newest to the oldest: about the most recently used first. */
  *byUse(): Iterable<Entry> {
    for (const used of [true, false]) {
      for (let entry = this.#entries.newest; entry !== undefined; entry = entry.older) {
        if (entry.used === used) yield entry;
      }
    }
  }

  #makeRoom(sizeBytes: number): number {
    let evicted = 0;
    let spared = 0;
    while (this.#bytes + sizeBytes > this.maxBytes) {
      const { oldest } = this.#entries;
      if (oldest === undefined) break;
      if (oldest.used && spared < SPARED_MAX) {
        oldest.used = false;
        this.#entries.delete(oldest);
        this.#entries.add(oldest);
        spared += 1;
      } else {
        this.delete(oldest);
        oldest.owner.evict(oldest.key);
        evicted += 1;
        spared = 0;
      }
    }
    return evicted;
  }
}

/** `Any`: what the entries of all caches of the budget have in common. */
export class ClockCache<Entry extends Any, Any extends ClockEntry<Any>> {
  readonly #budget: ClockBudget<Any>;
  readonly #listener: RemovalListener<Entry>;
  readonly #byKey = new Map<string, Entry>();

  constructor(budget: ClockBudget<Any>, listener: RemovalListener<Entry>) {
    this.#budget = budget;
    this.#listener = listener;
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** What one entry may take at most. */
  get maxBytes(): number {
    return this.#budget.maxBytes;
  }

  /** For a reader: marks the entry as used. */
  get(key: string): Entry | undefined {
    const entry = this.#byKey.get(key);
    // The bit is written only when it changes: a write would dirty the cache line of a hot entry at every hit.
    if (entry !== undefined && !entry.used) entry.used = true;
    return entry;
  }

  /** Does not mark the entry as used. */
  peek(key: string): Entry | undefined {
    return this.#byKey.get(key);
  }

  values(): Iterable<Entry> {
    return this.#byKey.values();
  }

  /** Replaces the entry with the same key. Returns how many other entries were evicted. */
  set(entry: Entry): number {
    this.delete(entry.key);
    const evicted = this.#budget.add(entry);
    this.#byKey.set(entry.key, entry);
    return evicted;
  }

  delete(key: string): boolean {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return false;
    this.#byKey.delete(key);
    this.#budget.delete(entry);
    this.#listener.removed(entry);
    return true;
  }

  clear(): void {
    for (const key of this.#byKey.keys()) this.delete(key);
  }
}

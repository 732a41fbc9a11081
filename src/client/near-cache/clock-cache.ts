/**
 * Entries by key, bounded in bytes. CLOCK (Corbató, 1969) chooses what to evict: an approximation of LRU in which a hit
 * sets one bit and moves nothing. The oldest entry is evicted, unless it was read since it was stored or last spared;
 * then it is spared and becomes the newest.
 */
import { type Linked, LinkedList } from "../../common/linked-list.ts";

/** In one eviction. It bounds the work of a fill when every entry was read. */
const SPARED_MAX = 64;

/** The fields that the cache needs in an entry. Only the cache writes `used`, `older` and `newer`. */
export interface ClockEntry<Entry> extends Linked<Entry> {
  readonly key: string;
  readonly sizeBytes: number;
  /** Read since it was stored or last spared. */
  used: boolean;
}

export class ClockCache<Entry extends ClockEntry<Entry>> {
  readonly #maxBytes: number;
  readonly #onRemove: (entry: Entry) => void;
  readonly #byKey = new Map<string, Entry>();
  readonly #entries = new LinkedList<Entry>();
  #bytes = 0;

  /** `onRemove` is called for every entry that leaves the cache, for whatever reason. */
  constructor(maxBytes: number, onRemove: (entry: Entry) => void) {
    this.#maxBytes = maxBytes;
    this.#onRemove = onRemove;
  }

  get size(): number {
    return this.#byKey.size;
  }

  get bytes(): number {
    return this.#bytes;
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

  /** Replaces the entry with the same key. Returns how many other entries were evicted. */
  set(entry: Entry): number {
    this.delete(entry.key);
    const evicted = this.#makeRoom(entry.sizeBytes);
    this.#byKey.set(entry.key, entry);
    this.#entries.add(entry);
    this.#bytes += entry.sizeBytes;
    return evicted;
  }

  delete(key: string): boolean {
    const entry = this.#byKey.get(key);
    if (entry === undefined) return false;
    this.#remove(entry);
    return true;
  }

  clear(): void {
    for (const entry of this.#entries) this.#remove(entry);
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
    while (this.#bytes + sizeBytes > this.#maxBytes) {
      const { oldest } = this.#entries;
      if (oldest === undefined) break;
      if (oldest.used && spared < SPARED_MAX) {
        oldest.used = false;
        this.#entries.delete(oldest);
        this.#entries.add(oldest);
        spared += 1;
      } else {
        this.#remove(oldest);
        evicted += 1;
        spared = 0;
      }
    }
    return evicted;
  }

  #remove(entry: Entry): void {
    this.#byKey.delete(entry.key);
    this.#entries.delete(entry);
    this.#bytes -= entry.sizeBytes;
    this.#onRemove(entry);
  }
}

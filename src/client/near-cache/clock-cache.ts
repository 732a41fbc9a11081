/**
 * The copies of a near cache by key, bounded in bytes. What has to go is found by CLOCK (Corbató, 1969), an LRU
 * whose hits set one bit and move nothing: when room is needed the oldest copy goes, unless it was read since it
 * came or was last spared; then it is spared, as if it were the newest.
 */
import { type Linked, LinkedList } from "../../common/linked-list.ts";

/** Of one eviction: where every copy was read since, a fill is not to walk over all of them. */
const SPARED_MAX = 64;

/** What the table keeps in a copy; nobody else writes it. */
export interface Tabled<Copy> extends Linked<Copy> {
  readonly key: string;
  readonly sizeBytes: number;
  /** Read since it came or was last spared. */
  used: boolean;
}

export class CopyTable<Copy extends Tabled<Copy>> {
  readonly #maxBytes: number;
  readonly #onRemove: (copy: Copy) => void;
  readonly #byKey = new Map<string, Copy>();
  readonly #copies = new LinkedList<Copy>();
  #bytes = 0;

  /** `onRemove` is told of every copy that goes, for whatever reason. */
  constructor(maxBytes: number, onRemove: (copy: Copy) => void) {
    this.#maxBytes = maxBytes;
    this.#onRemove = onRemove;
  }

  get size(): number {
    return this.#byKey.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** For a reader: what is read stays longer. */
  get(key: string): Copy | undefined {
    const copy = this.#byKey.get(key);
    // Written only when it changes, so that a hot copy's memory stays clean.
    if (copy !== undefined && !copy.used) copy.used = true;
    return copy;
  }

  peek(key: string): Copy | undefined {
    return this.#byKey.get(key);
  }

  /** Takes the place of the copy with its key. Returns how many others had to go. */
  set(copy: Copy): number {
    this.delete(copy.key);
    const evicted = this.#makeRoom(copy.sizeBytes);
    this.#byKey.set(copy.key, copy);
    this.#copies.add(copy);
    this.#bytes += copy.sizeBytes;
    return evicted;
  }

  delete(key: string): boolean {
    const copy = this.#byKey.get(key);
    if (copy === undefined) return false;
    this.#remove(copy);
    return true;
  }

  clear(): void {
    for (let copy = this.#copies.oldest; copy !== undefined; copy = this.#copies.oldest) this.#remove(copy);
  }

  /** About the most recently used first: those that were read, then the others, of each the newest first. */
  *byUse(): Iterable<Copy> {
    for (const used of [true, false]) {
      for (let copy = this.#copies.newest; copy !== undefined; copy = copy.older) {
        if (copy.used === used) yield copy;
      }
    }
  }

  #makeRoom(sizeBytes: number): number {
    let evicted = 0;
    let spared = 0;
    while (this.#bytes + sizeBytes > this.#maxBytes) {
      const { oldest } = this.#copies;
      if (oldest === undefined) break;
      if (oldest.used && spared < SPARED_MAX) {
        oldest.used = false;
        this.#copies.delete(oldest);
        this.#copies.add(oldest);
        spared += 1;
      } else {
        this.#remove(oldest);
        evicted += 1;
        spared = 0;
      }
    }
    return evicted;
  }

  #remove(copy: Copy): void {
    this.#byKey.delete(copy.key);
    this.#copies.delete(copy);
    this.#bytes -= copy.sizeBytes;
    this.#onRemove(copy);
  }
}

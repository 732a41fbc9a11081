/**
 * Chooses the entries to evict when memory is needed: S3-FIFO over the two rings of a table (Yang et al., "FIFO queues
 * are all you need for cache eviction", SOSP 2023).
 *
 * A new entry goes into the small ring, a tenth of the memory. At the small ring's tail, an entry that was used moves
 * to the main ring; any other is evicted and leaves a ghost. An entry that returns while its ghost is there goes to the
 * main ring at once. At the main ring's tail, an entry goes around once more for each use, and is evicted after that.
 *
 * Two additions, since a ring is bytes and not a list. Removed and overwritten entries are dead space until the tail
 * reaches them: in a ring with much dead space, live entries move to the head and only dead ones are dropped. And the
 * work for one put is bounded: beyond the bound, used entries are evicted too.
 */
import type { NamespaceRecords } from "../../api/table.ts";
import { chargeAt } from "./entry-charge.ts";
import {
  entryBytesAt,
  FLAG,
  hasFlag,
  hashAt,
  recordAt,
  SLOT_BYTES,
  setFlag,
  setUses,
  usesAt,
} from "./entry-header.ts";
import type { Ghosts } from "./ghosts.ts";
import type { KeyIndex } from "./key-index.ts";
import type { LogRing } from "./log-ring.ts";
import { CONTROL, type Memory } from "./memory.ts";
import type { SegmentPool } from "./segment-pool.ts";

/** The share of the small ring in the segments that the index does not use. */
const SMALL_SHARE = 0.1;
/** An entry with so many uses moves from the small ring to the main ring. */
const USES_TO_PROMOTE = 1;
/** A ring is compacted when more than one byte in so many is dead. */
const DEAD_SHARE = 8;
/** The most effort for one put. A move takes one unit, and one more for each 2 KiB. */
const EFFORT_MAX = 8_192;
const BYTES_PER_EFFORT = 2_048;

interface EvictionParts {
  readonly memory: Memory;
  readonly pool: SegmentPool;
  readonly index: KeyIndex;
  readonly ghosts: Ghosts;
  readonly small: LogRing;
  readonly main: LogRing;
  readonly namespaces: NamespaceRecords;
  /** Called with the word of an entry before it is evicted. */
  readonly evicted: (at: number) => void;
}

export class Eviction {
  readonly #parts: EvictionParts;
  #effort = 0;
  /** The record for whose entry memory is reclaimed. */
  #causer = 0;

  constructor(parts: EvictionParts) {
    this.#parts = parts;
  }

  /**
   * Reclaims memory for an entry of the namespace with this record until so many segments are free. False when the rings
   * are empty, or all that it found were entries below the floor of another namespace, and it is not enough.
   */
  makeRoom(segments: number, record: number): boolean {
    const { pool, small, main } = this.#parts;
    this.#effort = 0;
    this.#causer = record;
    while (pool.freeCount < segments) {
      if (small.segments === 0 && main.segments === 0) return false;
      if (this.#reclaimOne(this.#ringToReclaim())) continue;
      if (!this.#isExhausted || main.segments === 0 || !this.#reclaimOne(main)) return false;
    }
    return true;
  }

  /** The entry of this hash was evicted from the small ring recently. Forgets the ghost. */
  hasReturned(hash: number): boolean {
    return this.#parts.ghosts.recall(hash, this.#parts.memory.word(CONTROL.entries));
  }

  get #isExhausted(): boolean {
    return this.#effort > EFFORT_MAX;
  }

  #ringToReclaim(): LogRing {
    const { memory, pool, small, main } = this.#parts;
    if (main.segments === 0) return small;
    if (small.segments === 0) return main;
    if (this.#isExhausted) return small;
    const segments = pool.geometry.segmentCount - memory.word(CONTROL.indexSegments);
    const [due, other] = small.segments > segments * SMALL_SHARE ? [small, main] : [main, small];
    return this.#isSparse(other) && !this.#isSparse(due) ? other : due;
  }

  #isSparse(ring: LogRing): boolean {
    return ring.deadBytes * DEAD_SHARE > ring.segments * this.#parts.pool.geometry.segmentBytes;
  }

  /** False: the entry at the tail must stay, and may not be moved any more. */
  #reclaimOne(ring: LogRing): boolean {
    const { memory, main } = this.#parts;
    const at = ring.tail();
    if (at === 0) return true;
    if (hasFlag(memory, at, FLAG.dead)) {
      const bytes = entryBytesAt(memory, at);
      ring.reclaimDead(bytes);
      ring.dropTail(bytes);
      return true;
    }
    const target = this.#isExhausted ? undefined : this.#targetOf(at, ring);
    if (target !== undefined) {
      this.#move(at, ring, target);
    } else if (!this.#isProtected(at)) {
      this.#evict(at, ring);
    } else {
      if (this.#isExhausted) return false;
      this.#move(at, ring, main);
    }
    return true;
  }

  /** It belongs to another namespace, which is below its floor. */
  #isProtected(at: number): boolean {
    const { memory, namespaces } = this.#parts;
    const record = recordAt(memory, at);
    return record !== this.#causer && namespaces.isProtected(record, entryBytesAt(memory, at) + SLOT_BYTES);
  }

  /** The ring to which the entry at the tail moves; `undefined`: it is evicted. */
  #targetOf(at: number, ring: LogRing): LogRing | undefined {
    const { memory, small, main } = this.#parts;
    if (this.#isSparse(ring)) return ring;
    const uses = usesAt(memory, at);
    if (uses < (ring === small ? USES_TO_PROMOTE : 1)) return undefined;
    setUses(memory, at, ring === small ? 0 : uses - 1);
    return main;
  }

  #move(at: number, from: LogRing, to: LogRing): void {
    const { memory, index, main } = this.#parts;
    const hash = hashAt(memory, at);
    const bytes = entryBytesAt(memory, at);
    const slot = index.slotOf(hash, at);
    if (to === main) setFlag(memory, at, FLAG.mainRing);
    from.removeLive(bytes);
    index.relocate(slot, from.moveTail(to));
    to.addLive(bytes);
    this.#effort += 1 + bytes / BYTES_PER_EFFORT;
  }

  #evict(at: number, ring: LogRing): void {
    const { memory, index, ghosts, small, namespaces } = this.#parts;
    this.#parts.evicted(at);
    if (ring === small) ghosts.remember(hashAt(memory, at));
    const bytes = entryBytesAt(memory, at);
    index.remove(index.slotOf(hashAt(memory, at), at));
    chargeAt(memory, at, namespaces, -1);
    ring.removeLive(bytes);
    ring.dropTail(bytes);
    memory.addToWord(CONTROL.entries, -1);
  }
}

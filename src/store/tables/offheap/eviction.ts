/**
 * Decides which entries stay when memory is needed: S3-FIFO over the two rings of a table.
 *
 * (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.) What is new goes into the small
 * ring, a tenth of the memory. At its tail, what was used meanwhile moves on to the main ring; the rest is
 * evicted and leaves a ghost, and what returns while its ghost is there goes straight to the main ring. At the
 * main ring's tail, what was used goes around once more for each use, and the rest is evicted.
 *
 * Two additions, since rings here are bytes and not lists. What was removed or overwritten is dead space until
 * a tail comes by: where there is much of it, live entries go around unharmed, and only the dead are dropped.
 * And reclaiming is bounded: when everything was used, entries are evicted all the same after a while.
 */
import { entryBytesAt, FLAG, hasFlag, hashAt, setFlag, setUses, usesAt } from "./entry-header.ts";
import type { Ghosts } from "./ghosts.ts";
import type { KeyIndex } from "./key-index.ts";
import type { LogRing } from "./log-ring.ts";
import { CONTROL, type Memory } from "./memory.ts";
import type { SegmentPool } from "./segment-pool.ts";

/** Of the segments that the index does not have. */
const SMALL_SHARE = 0.1;
/** Uses after which an entry at the small ring's tail moves on to the main ring. */
const USES_TO_MOVE_ON = 1;
/** A ring with more dead space than one byte in so many is compacted. */
const DEAD_SHARE = 8;
/** How much may be moved for one put: a move is one unit of effort, and another for each 2 KiB. */
const EFFORT_MAX = 8_192;
const BYTES_PER_EFFORT = 2_048;

interface EvictionParts {
  readonly memory: Memory;
  readonly pool: SegmentPool;
  readonly index: KeyIndex;
  readonly ghosts: Ghosts;
  readonly small: LogRing;
  readonly main: LogRing;
  /** Called with the word of an entry that is about to be evicted. */
  readonly evicted: (at: number) => void;
}

export class Eviction {
  readonly #parts: EvictionParts;
  #effort = 0;

  constructor(parts: EvictionParts) {
    this.#parts = parts;
  }

  /** Reclaims until so many segments are free. False when the rings are empty before. */
  makeRoom(segments: number): boolean {
    const { pool, small, main } = this.#parts;
    this.#effort = 0;
    while (pool.freeCount < segments) {
      if (small.segments === 0 && main.segments === 0) return false;
      this.#reclaimOne(this.#ringToReclaim());
    }
    return true;
  }

  /** Whether an entry that is not there was evicted from the small ring of late. Forgets it. */
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

  #reclaimOne(ring: LogRing): void {
    const { memory } = this.#parts;
    const at = ring.tail();
    if (at === 0) return;
    if (hasFlag(memory, at, FLAG.dead)) {
      const bytes = entryBytesAt(memory, at);
      ring.unearth(bytes);
      ring.dropTail(bytes);
      return;
    }
    const target = this.#isExhausted ? undefined : this.#targetOf(at, ring);
    if (target === undefined) this.#evict(at, ring);
    else this.#move(at, ring, target);
  }

  /** Where the entry at the tail of a ring goes on living. */
  #targetOf(at: number, ring: LogRing): LogRing | undefined {
    const { memory, small, main } = this.#parts;
    if (this.#isSparse(ring)) return ring;
    const uses = usesAt(memory, at);
    if (uses < (ring === small ? USES_TO_MOVE_ON : 1)) return undefined;
    setUses(memory, at, ring === small ? 0 : uses - 1);
    return main;
  }

  #move(at: number, from: LogRing, to: LogRing): void {
    const { memory, index, main } = this.#parts;
    const hash = hashAt(memory, at);
    const bytes = entryBytesAt(memory, at);
    const slot = index.slotOf(hash, at);
    if (to === main) setFlag(memory, at, FLAG.mainRing);
    from.leave(bytes);
    index.relocate(slot, from.moveTail(to));
    to.enter(bytes);
    this.#effort += 1 + bytes / BYTES_PER_EFFORT;
  }

  #evict(at: number, ring: LogRing): void {
    const { memory, index, ghosts, small } = this.#parts;
    this.#parts.evicted(at);
    if (ring === small) ghosts.remember(hashAt(memory, at));
    const bytes = entryBytesAt(memory, at);
    index.remove(index.slotOf(hashAt(memory, at), at));
    ring.leave(bytes);
    ring.dropTail(bytes);
    memory.addToWord(CONTROL.entries, -1);
  }
}

/**
 * Remembers which hashes were evicted from the small ring of late: entries in all but their bytes.
 *
 * A table of fixed size with buckets of eight. A ghost is one word: the lower half of its hash and when it was
 * remembered, by a clock that counts ghosts. A bucket forgets its oldest.
 */

import type { Geometry } from "./geometry.ts";
import { GHOSTS_PER_BUCKET } from "./geometry.ts";
import { CONTROL, type Memory } from "./memory.ts";

const TWO_32 = 0x1_0000_0000;
const TIME_MASK = 0xffff;
/** Ticks of the clock that a full table spans: few enough that no ghost lives to see the clock go around. */
const TABLE_TICKS = 4_096;

export class Ghosts {
  readonly #memory: Memory;
  readonly #at: number;
  readonly #buckets: number;
  /** Ghosts a tick. */
  readonly #tick: number;

  constructor(memory: Memory, geometry: Geometry) {
    this.#memory = memory;
    this.#at = geometry.ghostsAtWord;
    this.#buckets = geometry.ghostBuckets;
    this.#tick = Math.ceil((geometry.ghostBuckets * GHOSTS_PER_BUCKET) / TABLE_TICKS);
  }

  remember(hash: number): void {
    const memory = this.#memory;
    const begin = this.#bucketOf(hash);
    const now = this.#now();
    let oldest = begin;
    let oldestAge = -1;
    for (let at = begin; at < begin + GHOSTS_PER_BUCKET; at++) {
      const ghost = memory.word(at);
      const age = ghost === 0 ? Infinity : (now - ghost) & TIME_MASK;
      if (age > oldestAge) {
        oldest = at;
        oldestAge = age;
      }
    }
    memory.setWord(oldest, (((hash & 0xffff) << 16) | now) >>> 0);
    memory.addToWord(CONTROL.ghostClock, 1);
  }

  /** Whether the hash was remembered within the last `ghostsMax`; then it is forgotten. */
  recall(hash: number, ghostsMax: number): boolean {
    const memory = this.#memory;
    const begin = this.#bucketOf(hash);
    const now = this.#now();
    for (let at = begin; at < begin + GHOSTS_PER_BUCKET; at++) {
      const ghost = memory.word(at);
      if (ghost === 0 || ghost >>> 16 !== (hash & 0xffff)) continue;
      memory.setWord(at, 0);
      return ((now - ghost) & TIME_MASK) * this.#tick <= ghostsMax;
    }
    return false;
  }

  /** By the upper bits of the hash. */
  #bucketOf(hash: number): number {
    return this.#at + Math.floor((hash * this.#buckets) / TWO_32) * GHOSTS_PER_BUCKET;
  }

  /** Never 0 for a ghost as a whole: a time of 0 goes as 1. */
  #now(): number {
    return Math.floor(this.#memory.word(CONTROL.ghostClock) / this.#tick) & TIME_MASK || 1;
  }
}

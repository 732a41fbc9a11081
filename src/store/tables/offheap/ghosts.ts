/**
 * Ghosts: the hashes of the entries that were evicted from the small ring recently.
 *
 * A table of fixed size, with buckets of eight. A ghost is one word: the lower half of its hash, and its time, by a
 * clock that counts ghosts. A full bucket replaces its oldest ghost.
 */

import type { Geometry } from "./geometry.ts";
import { GHOSTS_PER_BUCKET } from "./geometry.ts";
import { CONTROL, type Memory } from "./memory.ts";

const TWO_32 = 0x1_0000_0000;
const TIME_MASK = 0xffff;
/** Ticks of the clock between the oldest and the newest ghost of a full table: far below the range of 16 bits. */
const TABLE_TICKS = 4_096;

export class Ghosts {
  readonly #memory: Memory;
  readonly #at: number;
  readonly #buckets: number;
  /** Ghosts in one tick. */
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

  /** The hash is among the last `ghostsMax` ghosts. Forgets it. */
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

  /** At least 1, since a word of 0 is no ghost. */
  #now(): number {
    return Math.floor(this.#memory.word(CONTROL.ghostClock) / this.#tick) & TIME_MASK || 1;
  }
}

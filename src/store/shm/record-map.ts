/**
 * A map of fixed capacity from fingerprints to records of fixed size, in the order of insertion, in one region.
 *
 * Memory of zeros is the empty map. A record is a slot: links, fingerprint, and cells of eight bytes, each a number or
 * a bigint. Freed slots are used again, the last freed first, before a new one is touched. The hash table has as many
 * buckets as slots were ever touched: each newly touched slot splits one bucket (Litwin, "Linear hashing", VLDB 1980).
 * So the map uses only the memory that it has needed, and is never rehashed as a whole.
 *
 * As every structure in a region, it is used under the lock of its owner.
 */
import type { Fingerprint } from "../hashing/fingerprint.ts";
import { type MemoryPart, partOf } from "./memory-part.ts";
import type { Region } from "./region.ts";

/** Words of the header. The rest of its cache line is unused. */
const COUNT_AT = 0;
const TOUCHED_AT = 1;
const FREE_AT = 2;
const OLDEST_AT = 3;
const NEWEST_AT = 4;
const HEADER_WORDS = 16;

/** Words of a slot before its cells. One is unused, so that the cells are aligned. */
const NEXT_AT = 0;
const OLDER_AT = 1;
const NEWER_AT = 2;
const ID_AT = 4;
const LINK_WORDS = 8;

/** Bounds how long the lock is held while many records are removed. */
const REMOVED_AT_ONCE_MAX = 512;

/** The size of a region for the map. Slots are numbered from 1; 0 is no slot. */
export function recordMapBytes(capacity: number, cells: number): number {
  return (slotsBegin(capacity) + capacity * slotWords(cells)) * 4;
}

export class RecordMap {
  readonly #capacity: number;
  readonly #slotWords: number;
  /** Where slot 0 would begin. */
  readonly #slotsAt: number;
  readonly #words: Uint32Array<SharedArrayBuffer>;
  /** The same bytes. */
  readonly #numbers: Float64Array<SharedArrayBuffer>;
  readonly #bigints: BigUint64Array<SharedArrayBuffer>;

  constructor(region: Region, capacity: number, cells: number) {
    const bytes = recordMapBytes(capacity, cells);
    if (region.bytes < bytes) throw new RangeError("the region is too small for the map");
    this.#capacity = capacity;
    this.#slotWords = slotWords(cells);
    this.#slotsAt = slotsBegin(capacity) - this.#slotWords;
    this.#words = new Uint32Array(region.buffer, region.begin, bytes / 4);
    this.#numbers = new Float64Array(region.buffer, region.begin, bytes / 8);
    this.#bigints = new BigUint64Array(region.buffer, region.begin, bytes / 8);
  }

  get count(): number {
    return this.#words[COUNT_AT] ?? 0;
  }

  /** How many slots were ever in use: the greatest number of a slot. */
  get touched(): number {
    return this.#words[TOUCHED_AT] ?? 0;
  }

  parts(): MemoryPart[] {
    const words = this.#words;
    const slotsAt = slotsBegin(this.#capacity);
    return [
      partOf(words.subarray(0, HEADER_WORDS), 1, HEADER_WORDS),
      partOf(words.subarray(HEADER_WORDS, HEADER_WORDS + this.#capacity), this.touched),
      partOf(words.subarray(slotsAt), this.touched, this.#slotWords),
    ];
  }

  /** The slot of the record with this fingerprint, or 0. Valid until the record is removed. */
  find(id: Fingerprint): number {
    const words = this.#words;
    if (words[COUNT_AT] === 0) return 0;
    const first = id[0];
    const second = id[1];
    const third = id[2];
    const fourth = id[3];
    let slot = words[this.#bucketOf(first ?? 0, words[TOUCHED_AT] ?? 0)] ?? 0;
    while (slot !== 0) {
      const at = this.#at(slot);
      if (
        words[at + ID_AT] === first &&
        words[at + ID_AT + 1] === second &&
        words[at + ID_AT + 2] === third &&
        words[at + ID_AT + 3] === fourth
      ) {
        return slot;
      }
      slot = words[at + NEXT_AT] ?? 0;
    }
    return 0;
  }

  /** Adds a record of zeros, the newest, for a fingerprint without one. Throws a RangeError when the map is full. */
  insert(id: Fingerprint): number {
    const slot = this.#takeSlot();
    const words = this.#words;
    const at = this.#at(slot);
    for (let word = 0; word < 4; word++) words[at + ID_AT + word] = id[word] ?? 0;
    this.#chain(slot, words[TOUCHED_AT] ?? 0);
    this.#append(slot);
    words[COUNT_AT] = this.count + 1;
    return slot;
  }

  remove(slot: number): void {
    const words = this.#words;
    const at = this.#at(slot);
    this.#unchain(slot);
    this.#detach(slot);
    // Of so few words in shared memory, `fill` takes twice as long.
    for (let word = at; word < at + this.#slotWords; word++) words[word] = 0;
    words[at + NEXT_AT] = words[FREE_AT] ?? 0;
    words[FREE_AT] = slot;
    words[COUNT_AT] = this.count - 1;
  }

  /** The slot of the oldest record, or 0. */
  oldest(): number {
    return this.#words[OLDEST_AT] ?? 0;
  }

  /** The slot of the record inserted next, or 0. */
  newer(slot: number): number {
    return this.#words[this.#at(slot) + NEWER_AT] ?? 0;
  }

  /** Removes the oldest records while `isOver` says so, 512 at most. False: there may be more of them. */
  removeOldest(isOver: (slot: number) => boolean): boolean {
    for (let left = REMOVED_AT_ONCE_MAX; left > 0; left--) {
      const slot = this.oldest();
      if (slot === 0 || !isOver(slot)) return true;
      this.remove(slot);
    }
    return false;
  }

  moveToNewest(slot: number): void {
    if (this.#words[NEWEST_AT] === slot) return;
    this.#detach(slot);
    this.#append(slot);
  }

  number(slot: number, cell: number): number {
    return this.#numbers[this.#cellAt(slot, cell)] ?? 0;
  }

  setNumber(slot: number, cell: number, value: number): void {
    this.#numbers[this.#cellAt(slot, cell)] = value;
  }

  bigint(slot: number, cell: number): bigint {
    return this.#bigints[this.#cellAt(slot, cell)] ?? 0n;
  }

  setBigint(slot: number, cell: number, value: bigint): void {
    this.#bigints[this.#cellAt(slot, cell)] = value;
  }

  #at(slot: number): number {
    return this.#slotsAt + slot * this.#slotWords;
  }

  #cellAt(slot: number, cell: number): number {
    return (this.#at(slot) + LINK_WORDS) / 2 + cell;
  }

  /** The word of a fingerprint's bucket, by the fingerprint's first word. */
  #bucketOf(first: number, buckets: number): number {
    const mask = 0x7fff_ffff >>> (Math.clz32(buckets - 1) - 1);
    const bucket = first & mask;
    // A bucket that is not split yet uses one bit less.
    return HEADER_WORDS + (bucket < buckets ? bucket : bucket & (mask >>> 1));
  }

  #takeSlot(): number {
    const words = this.#words;
    const freed = words[FREE_AT] ?? 0;
    if (freed !== 0) {
      words[FREE_AT] = words[this.#at(freed) + NEXT_AT] ?? 0;
      return freed;
    }
    const touched = words[TOUCHED_AT] ?? 0;
    if (touched === this.#capacity) throw new RangeError("the map is full");
    words[TOUCHED_AT] = touched + 1;
    if (touched > 0) this.#split(touched);
    return touched + 1;
  }

  /** Splits one of `buckets` buckets into itself and a new one. */
  #split(buckets: number): void {
    const words = this.#words;
    const splitAt = HEADER_WORDS + buckets - 2 ** (31 - Math.clz32(buckets));
    let slot = words[splitAt] ?? 0;
    words[splitAt] = 0;
    while (slot !== 0) {
      const next = words[this.#at(slot) + NEXT_AT] ?? 0;
      this.#chain(slot, buckets + 1);
      slot = next;
    }
  }

  #chain(slot: number, buckets: number): void {
    const words = this.#words;
    const at = this.#at(slot);
    const bucketAt = this.#bucketOf(words[at + ID_AT] ?? 0, buckets);
    words[at + NEXT_AT] = words[bucketAt] ?? 0;
    words[bucketAt] = slot;
  }

  #unchain(slot: number): void {
    const words = this.#words;
    const at = this.#at(slot);
    let linkAt = this.#bucketOf(words[at + ID_AT] ?? 0, words[TOUCHED_AT] ?? 0);
    while (words[linkAt] !== slot) {
      if (words[linkAt] === 0) throw new Error("the map has no record in this slot");
      linkAt = this.#at(words[linkAt] ?? 0) + NEXT_AT;
    }
    words[linkAt] = words[at + NEXT_AT] ?? 0;
  }

  #append(slot: number): void {
    const words = this.#words;
    const at = this.#at(slot);
    const newest = words[NEWEST_AT] ?? 0;
    words[at + OLDER_AT] = newest;
    words[at + NEWER_AT] = 0;
    words[newest === 0 ? OLDEST_AT : this.#at(newest) + NEWER_AT] = slot;
    words[NEWEST_AT] = slot;
  }

  #detach(slot: number): void {
    const words = this.#words;
    const at = this.#at(slot);
    const older = words[at + OLDER_AT] ?? 0;
    const newer = words[at + NEWER_AT] ?? 0;
    words[older === 0 ? OLDEST_AT : this.#at(older) + NEWER_AT] = newer;
    words[newer === 0 ? NEWEST_AT : this.#at(newer) + OLDER_AT] = older;
  }
}

function slotWords(cells: number): number {
  return LINK_WORDS + 2 * cells;
}

/** Where the slots begin, in words, behind header and buckets. Even, so that cells are aligned. */
function slotsBegin(capacity: number): number {
  return HEADER_WORDS + 2 * Math.ceil(capacity / 2);
}

/**
 * The prefix fences of each record in the order of their texts, with how much each has in common with the one before. So
 * the place of a fence is found by halving, and the two that have most in common without a comparison of texts.
 *
 * Memory of zeros has no fence. In a region, under the shard's lock. How many fences a record has is the caller's to know.
 */
import { type MemoryPart, partOf } from "../shm/memory-part.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";

/** The most fences of a record, and so the most that a read is compared with. */
export const NAMESPACE_FENCES_MAX = 32;

/** Of two fences that have nothing in common, not even the namespace. */
export const NOTHING_COMMON = -1;

export function fenceOrderBytes(records: number): number {
  const bytes = alignedBytes(records * NAMESPACE_FENCES_MAX * Uint16Array.BYTES_PER_ELEMENT);
  return 2 * bytes;
}

export class FenceOrder {
  readonly #slots: Uint16Array;
  /** The length of what a fence has in common with the one before it. That of the first one says nothing. */
  readonly #common: Int16Array;

  constructor(region: Region, records: number) {
    const cut = createCutter(region.buffer, region.begin);
    const count = records * NAMESPACE_FENCES_MAX;
    const slots = cut(count * Uint16Array.BYTES_PER_ELEMENT);
    const common = cut(count * Int16Array.BYTES_PER_ELEMENT);
    this.#slots = new Uint16Array(slots.buffer, slots.begin, count);
    this.#common = new Int16Array(common.buffer, common.begin, count);
  }

  parts(records: number): MemoryPart[] {
    return [
      partOf(this.#slots, records, NAMESPACE_FENCES_MAX),
      partOf(this.#common, records, NAMESPACE_FENCES_MAX),
    ];
  }

  /** The slot of a fence by its place in the record, from 0. */
  slotAt(record: number, place: number): number {
    return this.#slots[record * NAMESPACE_FENCES_MAX + place] ?? 0;
  }

  /** The place of a slot that the record has. */
  placeOf(record: number, slot: number): number {
    let place = 0;
    while (this.slotAt(record, place) !== slot) place++;
    return place;
  }

  /** Puts a slot in its place among `count` others: what it has in common with its neighbours, before and after. */
  insert(record: number, count: number, place: number, slot: number, before: number, after: number): void {
    const begin = record * NAMESPACE_FENCES_MAX;
    const slots = this.#slots;
    const common = this.#common;
    for (let at = begin + count; at > begin + place; at--) {
      slots[at] = slots[at - 1] ?? 0;
      common[at] = common[at - 1] ?? 0;
    }
    slots[begin + place] = slot;
    common[begin + place] = before;
    if (place < count) common[begin + place + 1] = after;
  }

  /** Removes one of `count`. Its neighbours have in common what both have in common with it. */
  remove(record: number, count: number, place: number): void {
    const begin = record * NAMESPACE_FENCES_MAX;
    const slots = this.#slots;
    const common = this.#common;
    const before = common[begin + place] ?? 0;
    for (let at = begin + place; at < begin + count - 1; at++) {
      slots[at] = slots[at + 1] ?? 0;
      common[at] = common[at + 1] ?? 0;
    }
    if (place < count - 1) common[begin + place] = Math.min(before, common[begin + place] ?? 0);
  }

  /** The fence in this place becomes shorter: it is what it has in common with the next one, which was removed. */
  shorten(record: number, count: number, place: number, length: number): void {
    const at = record * NAMESPACE_FENCES_MAX + place;
    const common = this.#common;
    common[at] = Math.min(length, common[at] ?? 0);
    if (place < count - 1) common[at + 1] = Math.min(length, common[at + 1] ?? 0);
  }

  /** The place of the first of `count` fences that has most in common with the one before it. There are at least two. */
  mostCommon(record: number, count: number): number {
    const begin = record * NAMESPACE_FENCES_MAX;
    const common = this.#common;
    let best = 1;
    for (let place = 2; place < count; place++) {
      if ((common[begin + place] ?? 0) > (common[begin + best] ?? 0)) best = place;
    }
    return best;
  }

  /** What the fence in this place has in common with the one before it. */
  commonAt(record: number, place: number): number {
    return this.#common[record * NAMESPACE_FENCES_MAX + place] ?? 0;
  }
}

/**
 * Slots in the order in which they are due: a binary heap in a region (Williams, "Algorithm 232: Heapsort", CACM 1964).
 * To add a slot or to take one out moves O(log n) others. Its owner keeps the times, and says when one has changed.
 */
import type { Region } from "../shm/region.ts";

/** The count; it is where the heap would have its place 0. */
const COUNT_AT = 0;

export function dueHeapBytes(capacity: number): number {
  return 2 * (capacity + 1) * Uint32Array.BYTES_PER_ELEMENT;
}

export class DueHeap {
  /** By place, from 1: the slot. No slot is due before that of half its place. */
  readonly #slots: Uint32Array;
  /** By slot: its place, or 0. */
  readonly #places: Uint32Array;
  readonly #dueMsOf: (slot: number) => number;

  constructor(region: Region, capacity: number, dueMsOf: (slot: number) => number) {
    const words = capacity + 1;
    this.#slots = new Uint32Array(region.buffer, region.begin, words);
    this.#places = new Uint32Array(region.buffer, region.begin + this.#slots.byteLength, words);
    this.#dueMsOf = dueMsOf;
  }

  get count(): number {
    return this.#slots[COUNT_AT] ?? 0;
  }

  /** The slot that is due first, or 0. */
  first(): number {
    return this.count === 0 ? 0 : this.#slotAt(1);
  }

  /** When the first slot is due; `Infinity` when there is none. */
  nextDueMs(): number {
    return this.count === 0 ? Infinity : this.#dueMsOf(this.#slotAt(1));
  }

  add(slot: number): void {
    const place = this.count + 1;
    this.#slots[COUNT_AT] = place;
    this.#rise(slot, place);
  }

  /** The time of a slot has changed. */
  moved(slot: number): void {
    this.#settle(slot, this.#places[slot] ?? 0);
  }

  remove(slot: number): void {
    const place = this.#places[slot] ?? 0;
    const lastPlace = this.count;
    const last = this.#slotAt(lastPlace);
    this.#slots[COUNT_AT] = lastPlace - 1;
    this.#places[slot] = 0;
    if (last !== slot) this.#settle(last, place);
  }

  /** Puts a slot at a place, or as far above or below as its time demands. */
  #settle(slot: number, place: number): void {
    const dueMs = this.#dueMsOf(slot);
    if (place > 1 && this.#dueMsOf(this.#slotAt(place >>> 1)) > dueMs) this.#rise(slot, place);
    else this.#sink(slot, place, dueMs);
  }

  #rise(slot: number, from: number): void {
    const dueMs = this.#dueMsOf(slot);
    let place = from;
    while (place > 1) {
      const above = this.#slotAt(place >>> 1);
      if (this.#dueMsOf(above) <= dueMs) break;
      this.#put(above, place);
      place >>>= 1;
    }
    this.#put(slot, place);
  }

  #sink(slot: number, from: number, dueMs: number): void {
    const { count } = this;
    let place = from;
    for (let below = 2 * place; below <= count; below = 2 * place) {
      let earlier = this.#slotAt(below);
      if (below < count && this.#dueMsOf(this.#slotAt(below + 1)) < this.#dueMsOf(earlier)) {
        below++;
        earlier = this.#slotAt(below);
      }
      if (this.#dueMsOf(earlier) >= dueMs) break;
      this.#put(earlier, place);
      place = below;
    }
    this.#put(slot, place);
  }

  #put(slot: number, place: number): void {
    this.#slots[place] = slot;
    this.#places[slot] = place;
  }

  #slotAt(place: number): number {
    return this.#slots[place] ?? 0;
  }
}

/**
 * A pool of slots of equal size in a region. The slot given back last is taken first, so that little memory is touched.
 */
import { type MemoryPart, partOf } from "./memory-part.ts";
import type { Region } from "./region.ts";

/**
 * Slots are numbered from 1. The memory of slot 0 holds the pool's own words: the first free slot, how many slots were
 * ever taken, and how many are taken now. The first word of a free slot is the number of the next free one. All words
 * of a taken slot belong to its owner.
 */
const OWN_WORDS = { free: 0, touched: 1, taken: 2 } as const;

export function slotPoolBytes(slots: number, slotBytes: number): number {
  return (slots + 1) * slotBytes;
}

export class SlotPool {
  readonly #words: Uint32Array;
  readonly #slots: number;
  readonly #slotWords: number;

  /** `slotBytes`: a multiple of 4, at least 12. */
  constructor(region: Region, slots: number, slotBytes: number) {
    this.#words = new Uint32Array(region.buffer, region.begin, slotPoolBytes(slots, slotBytes) / 4);
    this.#slots = slots;
    this.#slotWords = slotBytes / 4;
  }

  get freeCount(): number {
    return this.#slots - this.#word(OWN_WORDS.taken);
  }

  /** The greatest number of a slot that was ever taken. */
  get touched(): number {
    return this.#word(OWN_WORDS.touched);
  }

  parts(): MemoryPart[] {
    return [partOf(this.#words, this.touched + 1, this.#slotWords)];
  }

  /** Returns a slot, with any content, or 0 when none is free. */
  take(): number {
    const words = this.#words;
    let slot = this.#word(OWN_WORDS.free);
    if (slot !== 0) {
      words[OWN_WORDS.free] = this.#word(slot * this.#slotWords);
    } else {
      slot = this.#word(OWN_WORDS.touched) + 1;
      if (slot > this.#slots) return 0;
      words[OWN_WORDS.touched] = slot;
    }
    words[OWN_WORDS.taken] = this.#word(OWN_WORDS.taken) + 1;
    return slot;
  }

  give(slot: number): void {
    this.#words[slot * this.#slotWords] = this.#word(OWN_WORDS.free);
    this.#words[OWN_WORDS.free] = slot;
    this.#words[OWN_WORDS.taken] = this.#word(OWN_WORDS.taken) - 1;
  }

  #word(at: number): number {
    return this.#words[at] ?? 0;
  }
}

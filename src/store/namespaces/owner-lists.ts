/**
 * Lists of slots, one for each namespace record that owns some, in the order of their addition. They say what a
 * namespace has in a structure that all namespaces of a shard share, and which namespace pays when it is full.
 *
 * Memory of zeros has no list. In a region, under the shard's lock.
 */
import { type MemoryPart, partOf } from "../shm/memory-part.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import type { NamespaceTable } from "./namespace-table.ts";

/** Words that all lists share. */
const TOTAL_WORD = 0;
const OWNERS_WORD = 1;
const OWN_WORDS = 2;
/** Words of a slot. */
const OLDER_WORD = 0;
const NEWER_WORD = 1;
const OWNER_WORD = 2;
const SLOT_WORDS = 3;

/** `slots` are numbered from 1, as in the structure that they belong to. */
export function ownerListsBytes(slots: number, records: number): number {
  return (
    alignedBytes(4 * OWN_WORDS) + 3 * alignedBytes(4 * records) + alignedBytes(4 * SLOT_WORDS * (slots + 1))
  );
}

export class OwnerLists {
  readonly #namespaces: NamespaceTable;
  readonly #own: Uint32Array;
  readonly #oldest: Uint32Array;
  readonly #newest: Uint32Array;
  readonly #counts: Uint32Array;
  readonly #slots: Uint32Array;

  constructor(region: Region, slots: number, namespaces: NamespaceTable) {
    const { records } = namespaces;
    const cut = createCutter(region.buffer, region.begin);
    const words = (count: number): Uint32Array => {
      const { buffer, begin } = cut(4 * count);
      return new Uint32Array(buffer, begin, count);
    };
    this.#namespaces = namespaces;
    this.#own = words(OWN_WORDS);
    this.#oldest = words(records);
    this.#newest = words(records);
    this.#counts = words(records);
    this.#slots = words(SLOT_WORDS * (slots + 1));
  }

  /** `touched`: the greatest number of a slot that was ever in use. */
  parts(touched: number): MemoryPart[] {
    const records = this.#namespaces.usedRecords;
    return [
      partOf(this.#own, 1, OWN_WORDS),
      partOf(this.#oldest, records),
      partOf(this.#newest, records),
      partOf(this.#counts, records),
      partOf(this.#slots, touched + 1, SLOT_WORDS),
    ];
  }

  countOf(record: number): number {
    return this.#counts[record] ?? 0;
  }

  /** The slot that the record has had for the longest time; 0: it has none. */
  oldestOf(record: number): number {
    return this.#oldest[record] ?? 0;
  }

  /** The slot that was added next to the list of a slot; 0: it is the newest. */
  newer(slot: number): number {
    return this.#slot(slot, NEWER_WORD);
  }

  ownerOf(slot: number): number {
    return this.#slot(slot, OWNER_WORD);
  }

  add(slot: number, record: number): void {
    const slots = this.#slots;
    const newest = this.#newest[record] ?? 0;
    slots[SLOT_WORDS * slot + OLDER_WORD] = newest;
    slots[SLOT_WORDS * slot + NEWER_WORD] = 0;
    slots[SLOT_WORDS * slot + OWNER_WORD] = record;
    if (newest === 0) this.#oldest[record] = slot;
    else slots[SLOT_WORDS * newest + NEWER_WORD] = slot;
    this.#newest[record] = slot;
    this.#count(record, 1);
    this.#namespaces.hold(record);
  }

  remove(slot: number): void {
    const record = this.ownerOf(slot);
    this.#detach(slot, record);
    this.#count(record, -1);
    this.#namespaces.release(record);
  }

  moveToNewest(slot: number): void {
    const record = this.ownerOf(slot);
    if (this.#newest[record] === slot) return;
    this.#detach(slot, record);
    const newest = this.#newest[record] ?? 0;
    this.#slots[SLOT_WORDS * slot + OLDER_WORD] = newest;
    this.#slots[SLOT_WORDS * slot + NEWER_WORD] = 0;
    if (newest === 0) this.#oldest[record] = slot;
    else this.#slots[SLOT_WORDS * newest + NEWER_WORD] = slot;
    this.#newest[record] = slot;
  }

  /**
   * Who gives up a slot, in a full structure, for one more of `causer`: the causer itself, if it has at least an equal
   * share; else the record with the most slots. It has at least one slot.
   */
  payerFor(causer: number): number {
    const count = this.countOf(causer);
    if (count > 0 && count * (this.#own[OWNERS_WORD] ?? 0) >= (this.#own[TOTAL_WORD] ?? 0)) return causer;
    let most = causer;
    for (let record = 0; record < this.#counts.length; record++) {
      if (this.countOf(record) > this.countOf(most)) most = record;
    }
    return most;
  }

  #count(record: number, by: 1 | -1): void {
    const count = this.countOf(record) + by;
    this.#counts[record] = count;
    this.#own[TOTAL_WORD] = (this.#own[TOTAL_WORD] ?? 0) + by;
    const joined = by === 1 && count === 1;
    if (joined || count === 0) this.#own[OWNERS_WORD] = (this.#own[OWNERS_WORD] ?? 0) + by;
  }

  #detach(slot: number, record: number): void {
    const older = this.#slot(slot, OLDER_WORD);
    const newer = this.#slot(slot, NEWER_WORD);
    if (older === 0) this.#oldest[record] = newer;
    else this.#slots[SLOT_WORDS * older + NEWER_WORD] = newer;
    if (newer === 0) this.#newest[record] = older;
    else this.#slots[SLOT_WORDS * newer + OLDER_WORD] = older;
  }

  #slot(slot: number, word: number): number {
    return this.#slots[SLOT_WORDS * slot + word] ?? 0;
  }
}

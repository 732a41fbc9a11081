/**
 * The pages with the bytes of a log, in shared memory. They are added one after the other and dropped in the same
 * order.
 *
 * A ring describes the pages, from the oldest on. A new page reuses the memory of the one dropped last: a log that
 * keeps few pages touches little memory, however many it may have.
 */
import { Buffer } from "node:buffer";
import { type MemoryPart, partOf } from "../shm/memory-part.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { SlotPool, slotPoolBytes } from "../shm/slot-pool.ts";

/** Larger than any event that the limits of messages allow. */
const PAGE_MAX_BYTES = 32_768;
/** With two pages, dropping the oldest one does not empty the log. */
const PAGES_MIN = 2;

/** Words of the head: the number of the oldest page, its place in the ring, and the number of pages. */
const HEAD_CELLS = 8;
const OLDEST_NUMBER_WORD = 0;
const OLDEST_WORD = 1;
const COUNT_WORD = 2;

/**
 * Of each page: the revision and the position before its first event; then, as two words, its slot and its used bytes.
 */
const PAGE_CELLS = 3;
const REVISION_CELL = 0;
const POSITION_CELL = 1;
const SLOT_WORD = 4;
const USED_BYTES_WORD = 5;

const CELL_BYTES = 8;

export function logPagesBytes(maxBytes: number): number {
  const { pageBytes, pagesMax } = shapeOf(maxBytes);
  return tableBytes(pagesMax) + alignedBytes(slotPoolBytes(pagesMax, pageBytes));
}

/** A page is identified by its index: 0 is the oldest. */
export class LogPages {
  readonly pageBytes: number;
  /** The memory of all pages. */
  readonly bytes: Buffer<SharedArrayBuffer>;
  readonly #pagesMax: number;
  readonly #slots: SlotPool;
  readonly #cells: Float64Array<SharedArrayBuffer>;
  /** The same memory. */
  readonly #words: Uint32Array<SharedArrayBuffer>;

  constructor(region: Region, maxBytes: number) {
    const { pageBytes, pagesMax } = shapeOf(maxBytes);
    const cut = createCutter(region.buffer, region.begin);
    const table = cut(tableBytes(pagesMax));
    const slots = cut(slotPoolBytes(pagesMax, pageBytes));
    this.pageBytes = pageBytes;
    this.#pagesMax = pagesMax;
    this.#cells = new Float64Array(table.buffer, table.begin, table.bytes / CELL_BYTES);
    this.#words = new Uint32Array(table.buffer, table.begin, table.bytes / 4);
    this.#slots = new SlotPool(slots, pagesMax, pageBytes);
    this.bytes = Buffer.from(slots.buffer, slots.begin, slots.bytes);
  }

  /** The pages lie in their order from the beginning of the ring, as in one with room for more. */
  parts(): MemoryPart[] {
    this.#straighten();
    return [
      partOf(this.#cells.subarray(0, HEAD_CELLS), 1, HEAD_CELLS),
      partOf(this.#cells.subarray(HEAD_CELLS), this.count, PAGE_CELLS),
      ...this.#slots.parts(),
    ];
  }

  get count(): number {
    return this.#words[COUNT_WORD] ?? 0;
  }

  get isFull(): boolean {
    return this.count === this.#pagesMax;
  }

  /** The number of the oldest page: how many pages were dropped before it, modulo 2^32. */
  get oldestNumber(): number {
    return this.#words[OLDEST_NUMBER_WORD] ?? 0;
  }

  /** Where the page begins in `bytes`. */
  beginOf(index: number): number {
    return Math.imul(this.#words[2 * this.#cellOf(index) + SLOT_WORD] ?? 0, this.pageBytes);
  }

  usedBytes(index: number): number {
    return this.#words[2 * this.#cellOf(index) + USED_BYTES_WORD] ?? 0;
  }

  setUsedBytes(index: number, usedBytes: number): void {
    this.#words[2 * this.#cellOf(index) + USED_BYTES_WORD] = usedBytes;
  }

  revisionBefore(index: number): number {
    return this.#cells[this.#cellOf(index) + REVISION_CELL] ?? 0;
  }

  positionBefore(index: number): number {
    return this.#cells[this.#cellOf(index) + POSITION_CELL] ?? 0;
  }

  /** Adds an empty page behind the newest one. Not when full. */
  add(revisionBefore: number, positionBefore: number): void {
    const slot = this.#slots.take();
    if (slot === 0) throw new Error("every page of the log is in use");
    const cell = this.#cellOf(this.count);
    this.#cells[cell + REVISION_CELL] = revisionBefore;
    this.#cells[cell + POSITION_CELL] = positionBefore;
    this.#words[2 * cell + SLOT_WORD] = slot;
    this.#words[2 * cell + USED_BYTES_WORD] = 0;
    this.#words[COUNT_WORD] = this.count + 1;
  }

  dropOldest(): void {
    this.#slots.give(this.#words[2 * this.#cellOf(0) + SLOT_WORD] ?? 0);
    const next = (this.#words[OLDEST_WORD] ?? 0) + 1;
    this.#words[OLDEST_WORD] = next === this.#pagesMax ? 0 : next;
    this.#words[COUNT_WORD] = this.count - 1;
    this.#words[OLDEST_NUMBER_WORD] = this.oldestNumber + 1;
  }

  /** Turns the ring until it begins with the oldest page. */
  #straighten(): void {
    const ring = this.#cells.subarray(HEAD_CELLS, HEAD_CELLS + PAGE_CELLS * this.#pagesMax);
    const turned = PAGE_CELLS * (this.#words[OLDEST_WORD] ?? 0);
    const before = ring.slice(0, turned);
    ring.copyWithin(0, turned);
    ring.set(before, ring.length - turned);
    this.#words[OLDEST_WORD] = 0;
  }

  /** The first of the page's cells. */
  #cellOf(index: number): number {
    const place = (this.#words[OLDEST_WORD] ?? 0) + index;
    return HEAD_CELLS + PAGE_CELLS * (place < this.#pagesMax ? place : place - this.#pagesMax);
  }
}

function shapeOf(maxBytes: number): { readonly pageBytes: number; readonly pagesMax: number } {
  const share = Math.floor(maxBytes / PAGES_MIN);
  const pageBytes = Math.min(PAGE_MAX_BYTES, share - (share % CELL_BYTES));
  return { pageBytes, pagesMax: Math.floor(maxBytes / pageBytes) };
}

function tableBytes(pagesMax: number): number {
  return alignedBytes((HEAD_CELLS + PAGE_CELLS * pagesMax) * CELL_BYTES);
}

/** The numbers of an event log in shared memory: where its events begin and end. */
import { type MemoryPart, partOf } from "../shm/memory-part.ts";
import type { Region } from "../shm/region.ts";

/** Cells of eight bytes. */
const START_POSITION_CELL = 0;
const START_REVISION_CELL = 1;
const END_POSITION_CELL = 2;
const END_REVISION_CELL = 3;
/** Words behind the cells. */
const START_OFFSET_WORD = 8;
/** The end's position modulo 2^32, for readers without the lock. */
const END_POSITION_WORD = 9;

export const LOG_HEAD_BYTES = 64;

export class LogHead {
  readonly #cells: Float64Array<SharedArrayBuffer>;
  /** The same memory. */
  readonly #words: Uint32Array<SharedArrayBuffer>;

  constructor({ buffer, begin }: Region) {
    this.#cells = new Float64Array(buffer, begin, LOG_HEAD_BYTES / 8);
    this.#words = new Uint32Array(buffer, begin, LOG_HEAD_BYTES / 4);
  }

  parts(): MemoryPart[] {
    return [partOf(this.#cells, 1, this.#cells.length)];
  }

  /** The position of the oldest event. */
  get start(): number {
    return this.#cells[START_POSITION_CELL] ?? 0;
  }

  /** The greatest revision that has lost events, or 0. */
  get lostRevision(): number {
    return this.#cells[START_REVISION_CELL] ?? 0;
  }

  /** Where the oldest event begins in the oldest page. */
  get startOffset(): number {
    return this.#words[START_OFFSET_WORD] ?? 0;
  }

  set startOffset(offset: number) {
    this.#words[START_OFFSET_WORD] = offset;
  }

  /** The position of the next event to append. */
  get end(): number {
    return this.#cells[END_POSITION_CELL] ?? 0;
  }

  /** The revision of the newest event, or 0. */
  get endRevision(): number {
    return this.#cells[END_REVISION_CELL] ?? 0;
  }

  setStart(position: number, lostRevision: number): void {
    this.#cells[START_POSITION_CELL] = position;
    this.#cells[START_REVISION_CELL] = lostRevision;
  }

  setEnd(position: number, revision: number): void {
    this.#cells[END_POSITION_CELL] = position;
    this.#cells[END_REVISION_CELL] = revision;
    this.#words[END_POSITION_WORD] = position;
  }

  /** How many events lie between a position and the end, modulo 2^32. Needs no lock. */
  eventsSince(position: number): number {
    return (Atomics.load(this.#words, END_POSITION_WORD) - position) >>> 0;
  }
}

/**
 * The latest events of one shard, in their order, within a bound of events and of bytes.
 *
 * They are kept as bytes in shared memory, where a million of them cost the collector nothing and every thread
 * can read them. A page is taken when the one before is full and reused when its events were dropped, so that a
 * shard without events has none.
 *
 * Every call is made under the shard's lock, except where it says that it needs none.
 */

import type { StoreEvent } from "../api/store.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import type { DecodedEvents } from "./decoded-events.ts";
import { RecordReader, type RecordSource, recordBytes, recordMaxBytes, writeRecord } from "./event-record.ts";
import { LogPages, logPagesBytes } from "./log-pages.ts";
import { STRING_TABLE_BYTES, StringTable } from "./string-table.ts";

export interface EventLogLimits {
  readonly maxEvents: number;
  /** Of the pages that are taken. An event that is larger than a page is dropped at once. */
  readonly maxBytes: number;
}

/** Where a reader stands in a log: before an event, or at the end. */
export interface LogPlace {
  /** How many events were ever appended before it, so that the distance of two places is a number of events. */
  position: number;
  /** The page that the event is in, by its number, and where it begins there. At a page's end: in the next one. */
  page: number;
  offset: number;
  /** The revision of the event before. */
  revision: number;
}

/** Cells of the head, of eight bytes. */
const START_POSITION_CELL = 0;
const START_REVISION_CELL = 1;
const END_POSITION_CELL = 2;
const END_REVISION_CELL = 3;
/** Then words: where the oldest event begins in the oldest page, and the end's position for who has no lock. */
const START_OFFSET_WORD = 8;
const END_POSITION_WORD = 9;
const HEAD_BYTES = 64;

export function eventLogBytes(limits: EventLogLimits): number {
  return HEAD_BYTES + 2 * alignedBytes(STRING_TABLE_BYTES) + logPagesBytes(limits.maxBytes);
}

export class EventLog {
  readonly #shard: number;
  readonly #maxEvents: number;
  readonly #cells: Float64Array<SharedArrayBuffer>;
  /** The same memory. */
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #names: { readonly namespaces: StringTable; readonly origins: StringTable };
  readonly #pages: LogPages;
  readonly #reader = new RecordReader();

  constructor(region: Region, shard: number, limits: EventLogLimits) {
    const cut = createCutter(region.buffer, region.begin);
    const head = cut(HEAD_BYTES);
    this.#shard = shard;
    this.#maxEvents = limits.maxEvents;
    this.#cells = new Float64Array(head.buffer, head.begin, HEAD_BYTES / 8);
    this.#words = new Uint32Array(head.buffer, head.begin, HEAD_BYTES / 4);
    this.#names = {
      namespaces: new StringTable(cut(STRING_TABLE_BYTES)),
      origins: new StringTable(cut(STRING_TABLE_BYTES)),
    };
    this.#pages = new LogPages(cut(logPagesBytes(limits.maxBytes)), limits.maxBytes);
  }

  /** The position of the oldest event kept. */
  get start(): number {
    return this.#cells[START_POSITION_CELL] ?? 0;
  }

  /** The position that the next event will have. */
  get end(): number {
    return this.#cells[END_POSITION_CELL] ?? 0;
  }

  /** The greatest revision of which events were dropped, or 0. */
  get lostRevision(): number {
    return this.#cells[START_REVISION_CELL] ?? 0;
  }

  /** Of the pages taken. */
  get bytes(): number {
    return this.#pages.count * this.#pages.pageBytes;
  }

  /** How many events were appended from this position on, modulo 2^32. Needs no lock. */
  eventsSince(position: number): number {
    return (Atomics.load(this.#words, END_POSITION_WORD) - position) >>> 0;
  }

  append(event: StoreEvent): void {
    const cells = this.#cells;
    const position = this.end;
    if (position - this.start === this.#maxEvents) this.#dropOldest();
    const { namespaces, origins } = this.#names;
    const source = {
      event,
      step: event.revision - this.#endRevision,
      namespaceId: namespaces.use(event.namespace),
      originId: origins.use(event.origin),
    };
    const isKept = this.#write(source);
    if (!isKept) {
      namespaces.release(source.namespaceId);
      origins.release(source.originId);
      while (this.start < position) this.#dropOldest();
      cells[START_POSITION_CELL] = position + 1;
      cells[START_REVISION_CELL] = event.revision;
    }
    cells[END_POSITION_CELL] = position + 1;
    cells[END_REVISION_CELL] = event.revision;
    this.#words[END_POSITION_WORD] = position + 1;
  }

  /** The number by which `next` knows a namespace; 0: none of its events has one. */
  namespaceId(namespace: string): number {
    return this.#names.namespaces.idOf(namespace);
  }

  placeAtEnd(): LogPlace {
    const pages = this.#pages;
    const last = pages.count - 1;
    return {
      position: this.end,
      page: (pages.oldestNumber + last) >>> 0,
      offset: last < 0 ? 0 : pages.usedBytes(last),
      revision: this.#endRevision,
    };
  }

  /** Before the first event kept with a greater revision. */
  placeAfter(revision: number): LogPlace {
    if (revision >= this.#endRevision) return this.placeAtEnd();
    const place = this.#pageStartBefore(revision);
    while (place.position < this.end && this.revisionAt(place) <= revision) this.#pass(place);
    return place;
  }

  /** The revision of the event at a place from `start` to before `end`. */
  revisionAt(place: LogPlace): number {
    this.#readAt(place);
    return place.revision + this.#reader.step;
  }

  /**
   * Moves a place from `start` to before `end` past its event. Returns the event if its namespace is one of
   * these, by their numbers, or has none: what else there is, a reader passes without decoding it. `decoded`: of the
   * reader's thread.
   */
  next(place: LogPlace, namespaceIds: readonly number[], decoded: DecodedEvents): StoreEvent | undefined {
    const reader = this.#reader;
    const { position } = place;
    this.#readAt(place);
    this.#pass(place);
    if (reader.namespaceId !== 0 && !namespaceIds.includes(reader.namespaceId)) return undefined;
    const known = decoded.at(this.#shard, position);
    if (known !== undefined) return known;
    const event = reader.toEvent(this.#shard, place.revision, this.#names);
    decoded.add(position, event);
    return event;
  }

  get #endRevision(): number {
    return this.#cells[END_REVISION_CELL] ?? 0;
  }

  get #startOffset(): number {
    return this.#words[START_OFFSET_WORD] ?? 0;
  }

  /** Moves the reader to the event at a place. */
  #readAt(place: LogPlace): void {
    const pages = this.#pages;
    const { start } = this;
    if (place.position < start || place.position >= this.end) {
      throw new RangeError("no event is kept at this position");
    }
    const { oldestNumber } = pages;
    if (place.position === start) {
      place.page = oldestNumber;
      place.offset = this.#startOffset;
    }
    // Of a page that was dropped there may be a reader at its end. The difference is modulo 2^32, as the numbers.
    let index = (place.page - oldestNumber) | 0;
    if (index < 0 || place.offset >= pages.usedBytes(index)) {
      index++;
      if (index < 0 || index >= pages.count) throw new Error("the log has no bytes for this place");
      place.page = (oldestNumber + index) >>> 0;
      place.offset = 0;
    }
    this.#reader.moveTo(pages.bytes, pages.beginOf(index) + place.offset);
  }

  /** Moves a place past its event, on which the reader stands. */
  #pass(place: LogPlace): void {
    place.position++;
    place.offset += this.#reader.bytes;
    place.revision += this.#reader.step;
  }

  /** The start of the last page before which there is no greater revision. */
  #pageStartBefore(revision: number): LogPlace {
    const pages = this.#pages;
    let low = 0;
    let high = pages.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (pages.revisionBefore(middle) <= revision) low = middle + 1;
      else high = middle;
    }
    const { oldestNumber } = pages;
    if (low <= 1) {
      return {
        position: this.start,
        page: oldestNumber,
        offset: this.#startOffset,
        revision: this.lostRevision,
      };
    }
    return {
      position: pages.positionBefore(low - 1),
      page: (oldestNumber + low - 1) >>> 0,
      offset: 0,
      revision: pages.revisionBefore(low - 1),
    };
  }

  #dropOldest(): void {
    const pages = this.#pages;
    const reader = this.#reader;
    const offset = this.#startOffset;
    reader.moveTo(pages.bytes, pages.beginOf(0) + offset);
    this.#names.namespaces.release(reader.namespaceId);
    this.#names.origins.release(reader.originId);
    this.#cells[START_POSITION_CELL] = this.start + 1;
    this.#cells[START_REVISION_CELL] = this.lostRevision + reader.step;
    this.#words[START_OFFSET_WORD] = offset + reader.bytes;
    if (pages.count > 1 && offset + reader.bytes === pages.usedBytes(0)) this.#dropOldestPage();
  }

  #dropOldestPage(): void {
    this.#pages.dropOldest();
    this.#words[START_OFFSET_WORD] = 0;
  }

  /** Writes the record behind the last one. False: it is larger than a page. */
  #write(source: RecordSource): boolean {
    const pages = this.#pages;
    let last = pages.count - 1;
    let used = last < 0 ? pages.pageBytes : pages.usedBytes(last);
    if (recordMaxBytes(source.event) > pages.pageBytes - used) {
      const bytes = recordBytes(source);
      if (bytes > pages.pageBytes) return false;
      if (bytes > pages.pageBytes - used) {
        this.#addPage();
        last = pages.count - 1;
        used = 0;
      }
    }
    const begin = pages.beginOf(last);
    pages.setUsedBytes(last, writeRecord(pages.bytes, begin + used, source) - begin);
    return true;
  }

  #addPage(): void {
    const pages = this.#pages;
    while (pages.isFull) this.#dropOldest();
    if (this.start === this.end && pages.count > 0) this.#dropOldestPage();
    pages.add(this.#endRevision, this.end);
  }
}

/**
 * The latest events of one shard in their order, bounded in number and in bytes.
 *
 * They are bytes in shared memory: they cost the garbage collector nothing, and every thread can read them. The log
 * takes a page when the last one is full, and frees it when its events are dropped: a shard without events has no page.
 *
 * Every call is made under the shard's lock, unless it says that it needs none.
 */

import type { Selector, StoreEvent } from "../api/store.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import type { DecodedEvents } from "./decoded-events.ts";
import { RecordReader, type RecordSource, recordBytes, recordMaxBytes, writeRecord } from "./event-record.ts";
import { LOG_HEAD_BYTES, LogHead } from "./log-head.ts";
import { LogPages, logPagesBytes } from "./log-pages.ts";
import { STRING_TABLE_BYTES, StringTable } from "./string-table.ts";

export interface EventLogLimits {
  readonly maxEvents: number;
  /** Of the pages in use. An event that is larger than a page is dropped at once. */
  readonly maxBytes: number;
}

/** Where a reader is in a log: before an event, or at the end. */
export interface LogPlace {
  /** How many events were ever appended before it. The difference of two positions is a number of events. */
  position: number;
  /**
   * The number of the event's page, and where the event begins in it. At the end of a page, the event is in the next
   * one.
   */
  page: number;
  offset: number;
  /** The revision of the event before. */
  revision: number;
}

export function eventLogBytes(limits: EventLogLimits): number {
  return LOG_HEAD_BYTES + 2 * alignedBytes(STRING_TABLE_BYTES) + logPagesBytes(limits.maxBytes);
}

export class EventLog {
  readonly #shard: number;
  readonly #maxEvents: number;
  readonly #head: LogHead;
  readonly #names: { readonly namespaces: StringTable; readonly origins: StringTable };
  readonly #pages: LogPages;
  readonly #reader = new RecordReader();

  constructor(region: Region, shard: number, limits: EventLogLimits) {
    const cut = createCutter(region.buffer, region.begin);
    this.#shard = shard;
    this.#maxEvents = limits.maxEvents;
    this.#head = new LogHead(cut(LOG_HEAD_BYTES));
    this.#names = {
      namespaces: new StringTable(cut(STRING_TABLE_BYTES)),
      origins: new StringTable(cut(STRING_TABLE_BYTES)),
    };
    this.#pages = new LogPages(cut(logPagesBytes(limits.maxBytes)), limits.maxBytes);
  }

  parts(): MemoryPart[] {
    const { namespaces, origins } = this.#names;
    return [...this.#head.parts(), ...namespaces.parts(), ...origins.parts(), ...this.#pages.parts()];
  }

  /** Drops the oldest events until the rest is within the bound. */
  trim(): void {
    while (this.end - this.start > this.#maxEvents) this.#dropOldest();
  }

  /** The position of the oldest event. */
  get start(): number {
    return this.#head.start;
  }

  /** The position that the next event will have. */
  get end(): number {
    return this.#head.end;
  }

  /** The greatest revision that has lost events, or 0. */
  get lostRevision(): number {
    return this.#head.lostRevision;
  }

  /** Of the pages in use. */
  get bytes(): number {
    return this.#pages.count * this.#pages.pageBytes;
  }

  /** How many events were appended from this position on, modulo 2^32. Needs no lock. */
  eventsSince(position: number): number {
    return this.#head.eventsSince(position);
  }

  append(event: StoreEvent): void {
    const head = this.#head;
    const position = head.end;
    if (position - head.start === this.#maxEvents) this.#dropOldest();
    const { namespaces, origins } = this.#names;
    const source = {
      event,
      step: event.revision - head.endRevision,
      namespaceId: namespaces.use(event.namespace),
      originId: origins.use(event.origin),
    };
    const isKept = this.#write(source);
    if (!isKept) {
      namespaces.release(source.namespaceId);
      origins.release(source.originId);
      while (head.start < position) this.#dropOldest();
      head.setStart(position + 1, event.revision);
    }
    head.setEnd(position + 1, event.revision);
  }

  /**
   * Events up to this revision, at least the newest one, were never appended, or are to be forgotten: every reader before them
   * is overrun.
   */
  lose(revision: number): void {
    const head = this.#head;
    const position = head.end;
    while (head.start < position) this.#dropOldest();
    head.setStart(position + 1, revision);
    head.setEnd(position + 1, revision);
  }

  /** The numbers of the selected namespaces, for `next`. 0: no event in the log refers to the namespace by a number. */
  namespaceIds(selectors: readonly Selector[]): number[] {
    const { namespaces } = this.#names;
    const ids: number[] = [];
    for (const { namespace, namespaceIsPrefix } of selectors) {
      if (namespaceIsPrefix) namespaces.addIdsWithPrefix(namespace, ids);
      else ids.push(namespaces.idOf(namespace));
    }
    return ids;
  }

  placeAtEnd(): LogPlace {
    const pages = this.#pages;
    const last = pages.count - 1;
    return {
      position: this.end,
      page: (pages.oldestNumber + last) >>> 0,
      offset: last < 0 ? 0 : pages.usedBytes(last),
      revision: this.#head.endRevision,
    };
  }

  /** Before the first event with a greater revision. */
  placeAfter(revision: number): LogPlace {
    if (revision >= this.#head.endRevision) return this.placeAtEnd();
    const place = this.#pageStartBefore(revision);
    while (place.position < this.end && this.revisionAt(place) <= revision) this.#pass(place);
    return place;
  }

  /** The revision of the event at a place, at or after `start` and before `end`. */
  revisionAt(place: LogPlace): number {
    this.#readAt(place);
    return place.revision + this.#reader.step;
  }

  /**
   * Moves a place, at or after `start` and before `end`, past its event. Returns the event if its namespace is one of
   * these numbers or has no number; other events are not decoded. `decoded` is that of the reader's thread.
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

  /** Moves the reader to the event at a place. */
  #readAt(place: LogPlace): void {
    const pages = this.#pages;
    const { start } = this;
    if (place.position < start || place.position >= this.end) {
      throw new RangeError("the log has no event at this position");
    }
    const { oldestNumber } = pages;
    if (place.position === start) {
      place.page = oldestNumber;
      place.offset = this.#head.startOffset;
    }
    // A place may be at the end of a page that was dropped since. Page numbers, and so their difference, are modulo 2^32.
    let index = (place.page - oldestNumber) | 0;
    if (index < 0 || place.offset >= pages.usedBytes(index)) {
      index++;
      if (index < 0 || index >= pages.count) throw new Error("the log has no bytes for this place");
      place.page = (oldestNumber + index) >>> 0;
      place.offset = 0;
    }
    this.#reader.moveTo(pages.bytes, pages.beginOf(index) + place.offset);
  }

  /** Moves a place past its event, which is the reader's. */
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
        offset: this.#head.startOffset,
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
    const head = this.#head;
    const offset = head.startOffset;
    reader.moveTo(pages.bytes, pages.beginOf(0) + offset);
    this.#names.namespaces.release(reader.namespaceId);
    this.#names.origins.release(reader.originId);
    head.setStart(head.start + 1, head.lostRevision + reader.step);
    head.startOffset = offset + reader.bytes;
    if (pages.count > 1 && offset + reader.bytes === pages.usedBytes(0)) this.#dropOldestPage();
  }

  #dropOldestPage(): void {
    this.#pages.dropOldest();
    this.#head.startOffset = 0;
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
    pages.add(this.#head.endRevision, this.end);
  }
}

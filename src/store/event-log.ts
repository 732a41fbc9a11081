/**
 * The latest events of one shard, in their order, within a bound of events and of bytes.
 *
 * They are kept as bytes in pages outside the collected heap, where a million of them cost the collector
 * nothing. A page is taken when the one before is full and reused when its events were dropped, so that a
 * shard without events has none. Live subscribers all read the newest events: those are kept as objects
 * too, so that whoever makes something of an event makes it once for all of them.
 */
import { Buffer } from "node:buffer";
import { RecordReader, type RecordSource, recordBytes, recordMaxBytes, writeRecord } from "./event-record.ts";
import { RepeatedNames } from "./repeated-names.ts";
import type { StoreEvent } from "./store.ts";

export interface EventLogLimits {
  readonly maxEvents: number;
  /** Of the pages that are taken. An event that is larger than a page is dropped at once. */
  readonly maxBytes: number;
}

/** Where a reader stands in a log: before an event, or at the end. */
export interface LogPlace {
  /** How many events were ever appended before it, so that the distance of two places is a number of events. */
  position: number;
  /** Where the event begins in the pages ever taken, laid end to end. */
  address: number;
  /** The revision of the event before. */
  revision: number;
}

interface Page {
  readonly bytes: Buffer;
  usedBytes: number;
  /** The revision of the event before its first. */
  revisionBefore: number;
  positionBefore: number;
}

/** Larger than any event that the limits of the wire let through. */
const pageMaxBytes = 32_768;
/** So that dropping the oldest page does not empty the smallest of logs. */
const pagesMin = 2;
/** Events kept as objects: what a tick of a busy server appends to one shard. */
const newestEventsMax = 128;

export class EventLog {
  readonly #shard: number;
  readonly #maxEvents: number;
  readonly #pageBytes: number;
  readonly #pagesMax: number;
  readonly #pages: Page[] = [];
  /** How many pages were there before the first one. */
  #pagesBefore = 0;
  #sparePage: Page | undefined;
  readonly #names = { namespaces: new RepeatedNames(), origins: new RepeatedNames() };
  /** A ring: the event at position p is in slot p modulo its length. */
  readonly #newest: StoreEvent[] = [];
  readonly #reader = new RecordReader();
  readonly #start: LogPlace = { position: 0, address: 0, revision: 0 };
  readonly #end: LogPlace = { position: 0, address: 0, revision: 0 };

  constructor(shard: number, limits: EventLogLimits) {
    this.#shard = shard;
    this.#maxEvents = limits.maxEvents;
    this.#pageBytes = Math.min(pageMaxBytes, Math.floor(limits.maxBytes / pagesMin));
    this.#pagesMax = Math.floor(limits.maxBytes / this.#pageBytes);
  }

  /** The position of the oldest event kept. */
  get start(): number {
    return this.#start.position;
  }

  /** The position that the next event will have. */
  get end(): number {
    return this.#end.position;
  }

  /** The greatest revision of which events were dropped, or 0. */
  get lostRevision(): number {
    return this.#start.revision;
  }

  /** Of the pages taken. */
  get bytes(): number {
    return (this.#pages.length + (this.#sparePage === undefined ? 0 : 1)) * this.#pageBytes;
  }

  append(event: StoreEvent): void {
    const start = this.#start;
    const end = this.#end;
    if (end.position - start.position === this.#maxEvents) this.#dropOldest();
    const { namespaces, origins } = this.#names;
    const source = {
      event,
      step: event.revision - end.revision,
      namespaceId: namespaces.use(event.namespace),
      originId: origins.use(event.origin),
    };
    const page = this.#pageFor(source);
    if (page !== undefined) {
      const begin = page.usedBytes;
      page.usedBytes = writeRecord(page.bytes, begin, source);
      end.address += page.usedBytes - begin;
    }
    this.#newest[end.position % newestEventsMax] = event;
    end.position++;
    end.revision = event.revision;
    if (page === undefined) {
      namespaces.release(source.namespaceId);
      origins.release(source.originId);
      while (start.position < end.position - 1) this.#dropOldest();
      start.position = end.position;
      start.revision = end.revision;
    }
  }

  /** The number by which `next` knows a namespace; 0: none of its events has one. */
  namespaceId(namespace: string): number {
    return this.#names.namespaces.idOf(namespace);
  }

  placeAtEnd(): LogPlace {
    return { ...this.#end };
  }

  /** Before the first event kept with a greater revision. */
  placeAfter(revision: number): LogPlace {
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
   * these, by their numbers, or has none: what else there is, a reader passes without decoding it.
   */
  next(place: LogPlace, namespaceIds: readonly number[]): StoreEvent | undefined {
    const reader = this.#reader;
    const { position } = place;
    this.#readAt(place);
    this.#pass(place);
    if (reader.namespaceId !== 0 && !namespaceIds.includes(reader.namespaceId)) return undefined;
    if (this.end - position <= newestEventsMax) return this.#newest[position % newestEventsMax];
    return reader.toEvent(this.#shard, place.revision, this.#names);
  }

  /** Moves the reader to the event at a place. */
  #readAt(place: LogPlace): void {
    const start = this.#start;
    if (place.position < start.position || place.position >= this.end) {
      throw new RangeError("no event is kept at this position");
    }
    // The end of a page is the start of the next one, and is all that is left of it when it was dropped.
    if (place.position === start.position) place.address = start.address;
    const pageNumber = Math.floor(place.address / this.#pageBytes);
    const page = this.#pages[pageNumber - this.#pagesBefore];
    const begin = place.address - pageNumber * this.#pageBytes;
    if (page !== undefined && begin < page.usedBytes) {
      this.#reader.moveTo(page.bytes, begin);
      return;
    }
    const next = this.#pages[pageNumber + 1 - this.#pagesBefore];
    if (next === undefined) throw new Error("the log has no bytes for this place");
    place.address = (pageNumber + 1) * this.#pageBytes;
    this.#reader.moveTo(next.bytes, 0);
  }

  /** Moves a place past its event, on which the reader stands. */
  #pass(place: LogPlace): void {
    place.position++;
    place.address += this.#reader.bytes;
    place.revision += this.#reader.step;
  }

  /** The start of the last page before which there is no greater revision. */
  #pageStartBefore(revision: number): LogPlace {
    let low = 0;
    let high = this.#pages.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#pages[middle]?.revisionBefore ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    const page = this.#pages[low - 1];
    if (low <= 1 || page === undefined) return { ...this.#start };
    const address = (this.#pagesBefore + low - 1) * this.#pageBytes;
    return { position: page.positionBefore, address, revision: page.revisionBefore };
  }

  #dropOldest(): void {
    const start = this.#start;
    this.#readAt(start);
    this.#names.namespaces.release(this.#reader.namespaceId);
    this.#names.origins.release(this.#reader.originId);
    this.#pass(start);
    const first = this.#pages[0];
    const firstEnd = this.#pagesBefore * this.#pageBytes + (first?.usedBytes ?? 0);
    if (this.#pages.length > 1 && start.address === firstEnd) this.#dropFirstPage();
  }

  #dropFirstPage(): void {
    this.#sparePage = this.#pages.shift();
    this.#pagesBefore++;
    this.#start.address = this.#pagesBefore * this.#pageBytes;
  }

  /** The page that the record goes into; `undefined`: it is larger than a page. */
  #pageFor(source: RecordSource): Page | undefined {
    const last = this.#pages.at(-1);
    const room = last === undefined ? 0 : this.#pageBytes - last.usedBytes;
    if (recordMaxBytes(source.event) <= room) return last;
    const bytes = recordBytes(source);
    if (bytes <= room) return last;
    return bytes > this.#pageBytes ? undefined : this.#addPage();
  }

  #addPage(): Page {
    const end = this.#end;
    while (this.#sparePage === undefined && this.#pages.length === this.#pagesMax) this.#dropOldest();
    if (this.start === end.position && this.#pages.length > 0) this.#dropFirstPage();
    const bytes = this.#sparePage?.bytes ?? Buffer.allocUnsafeSlow(this.#pageBytes);
    this.#sparePage = undefined;
    end.address = (this.#pagesBefore + this.#pages.length) * this.#pageBytes;
    const page = { bytes, usedBytes: 0, revisionBefore: end.revision, positionBefore: end.position };
    this.#pages.push(page);
    return page;
  }
}

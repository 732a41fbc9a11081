/**
 * The latest events of one shard, in their order, within a bound of events and of bytes.
 *
 * They are kept as bytes in shared memory, where a million of them cost the collector nothing and every thread
 * can read them. A page is taken when the one before is full and reused when its events were dropped, so that a
 * shard without events has none. Live subscribers all read the newest events: those each thread keeps as
 * objects too, so that whoever makes something of an event makes it once for all of the thread's.
 *
 * Every call is made under the shard's lock, except where it says that it needs none.
 */
import { RecordReader, type RecordSource, recordBytes, recordMaxBytes, writeRecord } from "./event-record.ts";
import { LogPages, logPagesBytes } from "./log-pages.ts";
import { RepeatedNames, repeatedNamesBytes } from "./repeated-names.ts";
import { alignedBytes, createCutter, type Region } from "./shared/region.ts";
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

/** Events kept as objects, a power of two: what a tick of a busy server appends to one shard. */
const newestEventsMax = 128;

/** Cells of the head: a place each; then the end's position once more, as a word that is read without the lock. */
const startCell = 0;
const endCell = 3;
const endPositionWord = 12;
const headBytes = 64;

export function eventLogBytes(limits: EventLogLimits): number {
  return headBytes + 2 * alignedBytes(repeatedNamesBytes) + logPagesBytes(limits.maxBytes);
}

export class EventLog {
  readonly #shard: number;
  readonly #maxEvents: number;
  readonly #start: SharedPlace;
  readonly #end: SharedPlace;
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #names: { readonly namespaces: RepeatedNames; readonly origins: RepeatedNames };
  readonly #pages: LogPages;
  readonly #reader = new RecordReader();
  readonly #newest = new NewestEvents();

  constructor(region: Region, shard: number, limits: EventLogLimits) {
    const cut = createCutter(region.buffer, region.begin);
    const head = cut(headBytes);
    const cells = new Float64Array(head.buffer, head.begin, headBytes / 8);
    this.#shard = shard;
    this.#maxEvents = limits.maxEvents;
    this.#start = new SharedPlace(cells, startCell);
    this.#end = new SharedPlace(cells, endCell);
    this.#words = new Uint32Array(head.buffer, head.begin, headBytes / 4);
    this.#names = {
      namespaces: new RepeatedNames(cut(repeatedNamesBytes)),
      origins: new RepeatedNames(cut(repeatedNamesBytes)),
    };
    this.#pages = new LogPages(cut(logPagesBytes(limits.maxBytes)), limits.maxBytes);
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
    return this.#pages.count * this.#pages.pageBytes;
  }

  /** How many events were appended from this position on, modulo 2^32. Needs no lock. */
  eventsSince(position: number): number {
    return (Atomics.load(this.#words, endPositionWord) - position) >>> 0;
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
    const isKept = this.#write(source);
    this.#newest.add(end.position, event);
    end.position++;
    end.revision = event.revision;
    if (!isKept) {
      namespaces.release(source.namespaceId);
      origins.release(source.originId);
      while (start.position < end.position - 1) this.#dropOldest();
      start.position = end.position;
      start.revision = end.revision;
    }
    this.#words[endPositionWord] = end.position;
  }

  /** The number by which `next` knows a namespace; 0: none of its events has one. */
  namespaceId(namespace: string): number {
    return this.#names.namespaces.idOf(namespace);
  }

  placeAtEnd(): LogPlace {
    return toPlace(this.#end);
  }

  /** Before the first event kept with a greater revision. */
  placeAfter(revision: number): LogPlace {
    if (revision >= this.#end.revision) return this.placeAtEnd();
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
    const known = this.#newest.at(position);
    if (known !== undefined) return known;
    const event = reader.toEvent(this.#shard, place.revision, this.#names);
    this.#newest.add(position, event);
    return event;
  }

  /** Moves the reader to the event at a place. */
  #readAt(place: LogPlace): void {
    const start = this.#start;
    const pages = this.#pages;
    const { pageBytes } = pages;
    if (place.position < start.position || place.position >= this.end) {
      throw new RangeError("no event is kept at this position");
    }
    // The end of a page is the start of the next one, and is all that is left of it when it was dropped.
    if (place.position === start.position) place.address = start.address;
    const number = Math.floor(place.address / pageBytes);
    let index = number - pages.oldestNumber;
    let begin = place.address - number * pageBytes;
    if (index < 0 || begin >= pages.usedBytes(index)) {
      index++;
      begin = 0;
      place.address = (number + 1) * pageBytes;
      if (index < 0 || index >= pages.count) throw new Error("the log has no bytes for this place");
    }
    this.#reader.moveTo(pages.bytes, pages.beginOf(index) + begin);
  }

  /** Moves a place past its event, on which the reader stands. */
  #pass(place: LogPlace): void {
    place.position++;
    place.address += this.#reader.bytes;
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
    if (low <= 1) return toPlace(this.#start);
    return {
      position: pages.positionBefore(low - 1),
      address: (pages.oldestNumber + low - 1) * pages.pageBytes,
      revision: pages.revisionBefore(low - 1),
    };
  }

  #dropOldest(): void {
    const start = this.#start;
    const pages = this.#pages;
    this.#readAt(start);
    this.#names.namespaces.release(this.#reader.namespaceId);
    this.#names.origins.release(this.#reader.originId);
    this.#pass(start);
    const oldestEnd = pages.oldestNumber * pages.pageBytes + pages.usedBytes(0);
    if (pages.count > 1 && start.address === oldestEnd) this.#dropOldestPage();
  }

  #dropOldestPage(): void {
    this.#pages.dropOldest();
    this.#start.address = this.#pages.oldestNumber * this.#pages.pageBytes;
  }

  /** Writes the record behind the last one. False: it is larger than a page. */
  #write(source: RecordSource): boolean {
    const pages = this.#pages;
    const room = pages.count === 0 ? 0 : pages.pageBytes - pages.usedBytes(pages.count - 1);
    if (recordMaxBytes(source.event) > room) {
      const bytes = recordBytes(source);
      if (bytes > pages.pageBytes) return false;
      if (bytes > room) this.#addPage();
    }
    const last = pages.count - 1;
    const pageBegin = pages.beginOf(last);
    const begin = pageBegin + pages.usedBytes(last);
    const end = writeRecord(pages.bytes, begin, source);
    pages.setUsedBytes(last, end - pageBegin);
    this.#end.address += end - begin;
    return true;
  }

  #addPage(): void {
    const pages = this.#pages;
    const end = this.#end;
    while (pages.isFull) this.#dropOldest();
    if (this.start === end.position && pages.count > 0) this.#dropOldestPage();
    end.address = (pages.oldestNumber + pages.count) * pages.pageBytes;
    pages.add(end.revision, end.position);
  }
}

/** The newest events that this thread appended or read, as objects. */
class NewestEvents {
  /** A ring: the event at a position is at that position modulo its length, if it is the newest there. */
  readonly #events: StoreEvent[] = [];
  readonly #positions = new Float64Array(newestEventsMax).fill(-1);

  at(position: number): StoreEvent | undefined {
    const place = position & (newestEventsMax - 1);
    return this.#positions[place] === position ? this.#events[place] : undefined;
  }

  add(position: number, event: StoreEvent): void {
    const place = position & (newestEventsMax - 1);
    if ((this.#positions[place] ?? 0) > position) return;
    this.#positions[place] = position;
    this.#events[place] = event;
  }
}

/** A place that every thread sees. */
class SharedPlace implements LogPlace {
  readonly #cells: Float64Array<SharedArrayBuffer>;
  readonly #at: number;

  constructor(cells: Float64Array<SharedArrayBuffer>, at: number) {
    this.#cells = cells;
    this.#at = at;
  }

  get position(): number {
    return this.#cells[this.#at] ?? 0;
  }

  set position(position: number) {
    this.#cells[this.#at] = position;
  }

  get address(): number {
    return this.#cells[this.#at + 1] ?? 0;
  }

  set address(address: number) {
    this.#cells[this.#at + 1] = address;
  }

  get revision(): number {
    return this.#cells[this.#at + 2] ?? 0;
  }

  set revision(revision: number) {
    this.#cells[this.#at + 2] = revision;
  }
}

function toPlace({ position, address, revision }: LogPlace): LogPlace {
  return { position, address, revision };
}

/**
 * Bounds what connections bring in one turn of the event loop. A socket is read up to two megabytes at a time, a connection may
 * begin hundreds of calls with that, and all that are readable are read in the same turn. So when a turn has brought
 * enough, no connection is read any more. In the next turn only those are read on that bring least, and in the one after it
 * others, as many as bring work for a part of a turn, by what they have brought before: one that is new may bring much. Those that
 * bring most wait until as many turns have passed as what has arrived takes.
 */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import { type Linked, LinkedList } from "../../common/linked-list.ts";
import { STREAM_WORK_BYTES } from "./work.ts";

/** The socket of a connection. */
export interface Reading {
  /** It is read no further. May be called again. */
  stop(): void;
  /** Its socket is read on. False: its peer does not take what is sent to it, and is to be asked again later. */
  resume(): boolean;
  /** What it has brought and waits in this process is read, as far as the turn lets it. It has been resumed. */
  readRest(): void;
  /** What it has brought and waits in this process to be read, unless that is in the account of memory. */
  readonly unreadBytes: number;
}

/** Of a turn's work: what may arrive in it. */
const ARRIVING_PART = 1 / 4;
/** Of a turn's work: up to what a connection is of a class, those that bring least first. The last class has the others. */
const CLASS_PARTS: readonly number[] = [1 / 16, 1 / 4, Number.POSITIVE_INFINITY];
/** What a turn's arrivals count in what a connection is expected to bring. */
const LATEST_PART = 1 / 4;
/** Of what was expected, what counts of one turn: a connection that was not read for long brings more for once. */
const LATEST_MAX = 4;
/**
 * When some were passed over in so many turns, one is for those that have waited longest, whatever they bring: the first that
 * does not follow one that brought enough, or the last of twice as many.
 */
const PASSED_OVER_MAX = 4;
/** The same, while what has arrived is more than turns have had room for: those turns come by themselves. */
const PASSED_OVER_AHEAD_MAX = 32;
/**
 * What may wait in this process to be read. Beyond, those that bring most are read on only as far as they have some of it, and beyond
 * twice as much all others too.
 */
const UNREAD_MAX_BYTES = 4 * 2 ** 20;
/** A call may begin with as few as 64 bytes. */
const WORK_OF_UNREAD_BYTE = STREAM_WORK_BYTES / 64;
/** A connection with so many calls that wait is not read: it would only add to them. */
const READ_AHEAD_CALLS = 32;
/** So many connections are read on in a turn at most: whoever has brought little may bring a chunk. */
const RESUMED_MAX = 64;
/** Of what may arrive in a turn: what earlier turns have brought beyond it counts up to so many times as much. */
const AHEAD_MAX = 32;
/** So many connections are stopped in a turn: each takes a part of a microsecond. */
const STOPS_MAX = 1_024;
/** When peers that take nothing are asked again, if there is no turn before. */
const RETRY_MS = 20;

/** How a connection is read. */
export class Reader implements Linked<Reader> {
  readonly reading: Reading;
  /** It is among those that are read, and not among those that are stopped. Undefined: it is among neither. */
  isRead: boolean | undefined;
  older: Reader | undefined;
  newer: Reader | undefined;
  /** It was read on with room for what it may bring, and has brought nothing yet. */
  isDue = false;
  /** How many calls of the connection wait for their turn. */
  readonly waitingCalls: () => number;
  /** What has come in this turn. */
  arrivedBytes = 0;
  /** What comes in a turn in which anything does, on a moving average. Undefined: nothing has come yet. */
  expectedBytes: number | undefined;

  /** `expectedBytes`: what it brings first. Undefined: nobody knows, so that it may be all that may arrive in a turn. */
  constructor(reading: Reading, waitingCalls: () => number, expectedBytes?: number) {
    this.reading = reading;
    this.waitingCalls = waitingCalls;
    this.expectedBytes = expectedBytes;
  }
}

export class Readers {
  readonly #maxBytes: number;
  readonly #leastBytes: number;
  readonly #classBytes: readonly number[];
  readonly #clock: Clock;
  readonly #boundary: Boundary;
  readonly #read = new LinkedList<Reader>();
  /** Those that are not read, the longest first. */
  readonly #stopped = new LinkedList<Reader>();
  /** Those that were read on and have something that waits in this process. */
  readonly #withRest: Reader[] = [];
  /** Those that were read on for this turn. */
  readonly #due: Reader[] = [];
  /** Those that have brought something in this turn. */
  readonly #touched: Reader[] = [];
  #arrivedBytes = 0;
  /** What earlier turns have brought beyond what may arrive in them: one read may bring a hundred calls. */
  #aheadBytes = 0;
  /** The turn has brought enough before all connections were read. */
  #isCut = false;
  /** In how many turns some were passed over, since one was for those that have waited longest. */
  #passedOver = 0;
  /** Of those that are stopped, as many wait for their peers or for their calls. */
  #blocked = 0;
  #retries = false;

  /** `turnMaxBytes`: the work of a turn. */
  constructor(turnMaxBytes: number, clock: Clock, boundary: Boundary) {
    this.#maxBytes = turnMaxBytes * ARRIVING_PART;
    this.#leastBytes = this.#maxBytes / RESUMED_MAX;
    this.#classBytes = CLASS_PARTS.map((part) => part * turnMaxBytes);
    this.#clock = clock;
    this.#boundary = boundary;
  }

  add(reader: Reader): void {
    this.#move(reader, true);
  }

  /** Its connection is closed. */
  delete(reader: Reader): void {
    this.#move(reader, undefined);
  }

  /** Connections may be read on in a next turn. */
  get waits(): boolean {
    return this.#stopped.size > this.#blocked || this.#withRest.length > 0;
  }

  /**
   * Reads what waits in this process of those that were read on. To be called at the end of each turn: what the sockets of the others have
   * brought comes first.
   */
  readRests(): void {
    for (const reader of this.#withRest.splice(0)) if (reader.isRead === true) reader.reading.readRest();
  }

  arrived(reader: Reader, bytes: number): void {
    if (reader.arrivedBytes === 0) this.#touched.push(reader);
    reader.isDue = false;
    reader.arrivedBytes += bytes;
    this.#arrivedBytes += bytes;
    if (this.#arrivedBytes >= this.#maxBytes) this.#stopAll(reader);
    else if (reader.waitingCalls() >= READ_AHEAD_CALLS) this.#stop(reader);
  }

  /** To be called when a turn is over. */
  readOn(): void {
    for (const reader of this.#touched) {
      const { arrivedBytes, expectedBytes = arrivedBytes } = reader;
      const latestBytes = Math.min(arrivedBytes, LATEST_MAX * expectedBytes);
      reader.expectedBytes = expectedBytes + LATEST_PART * (latestBytes - expectedBytes);
      reader.arrivedBytes = 0;
    }
    this.#touched.length = 0;
    for (const reader of this.#due.splice(0)) reader.isDue = false;
    const aheadBytes = this.#aheadBytes + this.#arrivedBytes - this.#maxBytes;
    this.#aheadBytes = Math.min(Math.max(0, aheadBytes), AHEAD_MAX * this.#maxBytes);
    this.#arrivedBytes = 0;
    const wasCut = this.#isCut;
    this.#isCut = false;
    this.#blocked = 0;
    if (this.#stopped.size > 0) this.#resume(wasCut);
    if (this.#blocked > 0) this.#retryLater();
  }

  #resume(wasCut: boolean): void {
    const passedOverMax = this.#aheadBytes > 0 ? PASSED_OVER_AHEAD_MAX : PASSED_OVER_MAX;
    const isOverdue = this.#passedOver >= (wasCut ? 2 * passedOverMax : passedOverMax);
    this.#passedOver = isOverdue ? 0 : this.#passedOver + 1;
    let roomBytes = this.#maxBytes;
    const readers = this.#readable();
    for (const ofClass of isOverdue ? [readers] : this.#classes(readers)) {
      const roomBefore = roomBytes;
      for (const reader of ofClass) {
        if (roomBytes <= 0) return;
        const expectedBytes = this.#expectedOf(reader);
        if (this.#resumeOne(reader)) roomBytes -= expectedBytes;
      }
      // They have the turn to themselves: the others were read before them.
      if (wasCut && roomBytes < roomBefore) return;
    }
    this.#passedOver = 0;
  }

  #resumeOne(reader: Reader): boolean {
    if (reader.waitingCalls() >= READ_AHEAD_CALLS || !reader.reading.resume()) {
      this.#blocked += 1;
      return false;
    }
    this.#move(reader, true);
    reader.isDue = true;
    this.#due.push(reader);
    if (reader.reading.unreadBytes > 0) this.#withRest.push(reader);
    return true;
  }

  /** Those that are stopped and may be read on, the longest first. */
  #readable(): Reader[] {
    const readers = [...this.#stopped];
    let unreadBytes = 0;
    for (const { reading } of readers) unreadBytes += reading.unreadBytes;
    if (unreadBytes < UNREAD_MAX_BYTES) return readers;
    const admits = (reader: Reader): boolean =>
      this.#classOf(reader) === 0 && unreadBytes < 2 * UNREAD_MAX_BYTES;
    return readers.filter((reader) => reader.reading.unreadBytes > 0 || admits(reader));
  }

  /** What waits in this process may be calls, whatever the connection has brought before. */
  #expectedOf({ expectedBytes = this.#maxBytes, reading }: Reader): number {
    return Math.max(expectedBytes, this.#leastBytes, WORK_OF_UNREAD_BYTE * reading.unreadBytes);
  }

  #classOf(reader: Reader): number {
    const expectedBytes = this.#expectedOf(reader);
    return this.#classBytes.findIndex((mostBytes) => expectedBytes <= mostBytes);
  }

  /**
   * Those that may be read on, by what they bring; within a class the longest first. The last class is empty until turns have had
   * room for what its members have brought: else each would bring a hundred calls beside those of the others that wait.
   */
  #classes(readers: readonly Reader[]): Reader[][] {
    const classes = this.#classBytes.map((): Reader[] => []);
    for (const reader of readers) classes[this.#classOf(reader)]?.push(reader);
    if (this.#aheadBytes > 0) classes.pop();
    return classes;
  }

  /** `last` comes behind those that were not read. */
  #stopAll(last: Reader): void {
    this.#isCut = true;
    let left = STOPS_MAX;
    for (const reader of this.#read) {
      if (left === 0) break;
      left -= 1;
      // There is room for what is due: others that bring more than they were expected to do not take it.
      if (reader !== last && !reader.isDue) this.#stop(reader);
    }
    this.#stop(last);
  }

  #stop(reader: Reader): void {
    // Even if it is stopped: node:http2 reads on by itself when it has sent something.
    reader.reading.stop();
    if (reader.isRead === true) this.#move(reader, false);
  }

  #move(reader: Reader, isRead: boolean | undefined): void {
    if (reader.isRead !== undefined) (reader.isRead ? this.#read : this.#stopped).delete(reader);
    reader.isRead = isRead;
    if (isRead !== undefined) (isRead ? this.#read : this.#stopped).add(reader);
  }

  #retryLater(): void {
    if (this.#retries) return;
    this.#retries = true;
    const retry = this.#boundary.guard(undefined, () => {
      this.#retries = false;
      this.readOn();
      this.readRests();
      // No turn may come.
      if (this.waits) this.#retryLater();
    });
    this.#clock.schedule(RETRY_MS, retry);
  }
}

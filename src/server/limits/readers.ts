/**
 * Bounds what connections bring in one turn of the event loop. A socket is read up to two megabytes at a time, a connection may
 * begin hundreds of calls with that, and all that are readable are read in the same turn. So when a turn has brought
 * enough, no connection is read any more. In the next turn those are read on that bring little, and of the others as many as
 * bring work for a part of a turn, by what they have brought before: one that is new may bring much.
 */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";

/** The socket of a connection. */
export interface Reading {
  /** It is read no further. May be called again. */
  stop(): void;
  /** It is read on. False: its peer does not take what is sent to it, and is to be asked again later. */
  resume(): boolean;
}

/** Of a turn's work: what may arrive in it, and up to what a connection brings little. */
const ARRIVING_PART = 1 / 2;
const LITTLE_PART = 1 / 16;
/** A connection with so many calls that wait is not read: it would only add to them. */
const READ_AHEAD_CALLS = 32;
/** So many connections are stopped in a turn: each takes a part of a microsecond. */
const STOPS_MAX = 1_024;
/** When peers that take nothing are asked again, if there is no turn before. */
const RETRY_MS = 20;

/** How a connection is read. */
export class Reader {
  readonly reading: Reading;
  /** How many calls of the connection wait for their turn. */
  readonly waitingCalls: () => number;
  /** What has come in this turn. */
  arrivedBytes = 0;
  /** What came in the last turn in which anything did. Undefined: nothing has come yet. */
  lastBytes: number | undefined;

  constructor(reading: Reading, waitingCalls: () => number) {
    this.reading = reading;
    this.waitingCalls = waitingCalls;
  }
}

export class Readers {
  readonly #maxBytes: number;
  readonly #littleBytes: number;
  readonly #clock: Clock;
  readonly #boundary: Boundary;
  readonly #read = new Set<Reader>();
  /** Those that are not read, the longest first. */
  readonly #stopped = new Set<Reader>();
  /** Those that have brought something in this turn. */
  readonly #touched: Reader[] = [];
  #arrivedBytes = 0;
  /** The last turn brought enough before all connections were read. */
  #wasCut = false;
  /** Of those that are stopped, as many wait for their peers or for their calls. */
  #blocked = 0;
  #retries = false;

  /** `turnMaxBytes`: the work of a turn. */
  constructor(turnMaxBytes: number, clock: Clock, boundary: Boundary) {
    this.#maxBytes = turnMaxBytes * ARRIVING_PART;
    this.#littleBytes = turnMaxBytes * LITTLE_PART;
    this.#clock = clock;
    this.#boundary = boundary;
  }

  add(reader: Reader): void {
    this.#read.add(reader);
  }

  /** Its connection is closed. */
  delete(reader: Reader): void {
    this.#read.delete(reader);
    this.#stopped.delete(reader);
  }

  /** Connections may be read on in a next turn. */
  get waits(): boolean {
    return this.#stopped.size > this.#blocked;
  }

  arrived(reader: Reader, bytes: number): void {
    if (reader.arrivedBytes === 0) this.#touched.push(reader);
    reader.arrivedBytes += bytes;
    this.#arrivedBytes += bytes;
    if (this.#arrivedBytes >= this.#maxBytes) this.#stopAll(reader);
    else if (reader.waitingCalls() >= READ_AHEAD_CALLS) this.#stop(reader);
  }

  /** To be called at the end of each turn. */
  readOn(): void {
    for (const reader of this.#touched) {
      reader.lastBytes = reader.arrivedBytes;
      reader.arrivedBytes = 0;
    }
    this.#touched.length = 0;
    this.#arrivedBytes = 0;
    // After a turn that was cut those that bring little get one to themselves: they may have been the ones that were not read.
    let roomBytes = this.#wasCut ? 0 : this.#maxBytes;
    this.#wasCut = false;
    this.#blocked = 0;
    for (const reader of this.#stopped) {
      const bytes = reader.lastBytes ?? this.#maxBytes;
      const isLittle = bytes <= this.#littleBytes;
      if (!isLittle && roomBytes <= 0) continue;
      if (reader.waitingCalls() >= READ_AHEAD_CALLS || !reader.reading.resume()) {
        this.#blocked += 1;
        continue;
      }
      if (!isLittle) roomBytes -= bytes;
      this.#stopped.delete(reader);
      this.#read.add(reader);
    }
    if (this.#blocked > 0) this.#retryLater();
  }

  /** `last` comes behind those that were not read. */
  #stopAll(last: Reader): void {
    this.#wasCut = true;
    let left = STOPS_MAX;
    for (const reader of this.#read) {
      if (left === 0) break;
      left -= 1;
      if (reader !== last) this.#stop(reader);
    }
    this.#stop(last);
  }

  #stop(reader: Reader): void {
    // Even if it is stopped: node:http2 reads on by itself when it has sent something.
    reader.reading.stop();
    if (this.#read.delete(reader)) this.#stopped.add(reader);
  }

  #retryLater(): void {
    if (this.#retries) return;
    this.#retries = true;
    const retry = this.#boundary.guard(undefined, () => {
      this.#retries = false;
      this.readOn();
    });
    this.#clock.schedule(RETRY_MS, retry);
  }
}

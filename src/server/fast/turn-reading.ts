/**
 * Reads a connection as turns let it: its reader stops behind any frame, and the rest of what has come waits in this process, about a
 * chunk of the socket. Turns bound what waits there of all connections; what waits for a peer to take its answers counts as held.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { freeMemory } from "../../codec/framing/message-memory.ts";
import type { Boundary } from "../../common/boundary.ts";
import { NO_BUFFER } from "../../common/bytes.ts";
import type { Reading } from "../limits/readers.ts";
import { holdSocket, startSocket, stopSocket } from "../limits/socket-reading.ts";

/** What reads the bytes. */
export interface BytesReader {
  /** It reads nothing more. */
  readonly closed: boolean;
  /** The peer takes too little of what is sent to it: nothing more is to be read until it does. */
  readonly isOverfull: boolean;
  /** Returns how far it came, which is less after `suspend()`. What it has read is the caller's again. */
  read(bytes: Buffer): number;
  suspend(): void;
}

/** What the reading of a connection counts in. */
export interface ReadingCounts {
  /** The socket has brought so many bytes. */
  arrived(bytes: number): void;
  /** So many bytes more wait for the peer to take answers. Negative: fewer. */
  held(bytes: number): void;
}

export class TurnReading implements Reading {
  readonly #socket: Socket;
  readonly #reader: BytesReader;
  /** What has come, and waits for its turn. */
  #rest: Buffer = NO_BUFFER;
  /** The memory that it lies in. */
  #memory: Buffer = NO_BUFFER;
  /** Nothing is read in this turn. */
  #isStopped = false;
  readonly #counts: ReadingCounts;
  #heldBytes = 0;

  /** `boundary` contains all that listens to `socket`. */
  constructor(socket: Socket, boundary: Boundary, reader: BytesReader, counts: ReadingCounts) {
    this.#socket = socket;
    this.#counts = counts;
    this.#reader = reader;
    holdSocket(socket);
    boundary.contain(socket).on("drain", () => this.readRest());
  }

  /** Takes what has come, which is then its own. */
  take(chunk: Buffer): void {
    const arrivedBytes = chunk.length;
    if (this.#rest.length > 0 || this.#isStopped || this.#reader.isOverfull) {
      this.#keep(chunk);
      stopSocket(this.#socket);
      this.#hold();
    } else this.#read(chunk, chunk);
    // Whatever becomes of it: also what comes for streams that are over has to be read.
    this.#counts.arrived(arrivedBytes);
  }

  get unreadBytes(): number {
    return this.#waitingBytes - this.#heldBytes;
  }

  /** What waits behind answers that the peer does not take. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  stop(): void {
    if (this.#reader.closed) return;
    this.#isStopped = true;
    this.#reader.suspend();
    stopSocket(this.#socket);
  }

  resume(): boolean {
    this.#hold();
    if (this.#reader.isOverfull) return false;
    this.#isStopped = false;
    if (this.#rest.length === 0 && this.#mayRead) startSocket(this.#socket);
    return true;
  }

  readRest(): void {
    if (!this.#mayRead) return;
    const [rest, memory] = [this.#rest, this.#memory];
    this.#setRest(NO_BUFFER, NO_BUFFER);
    if (rest.length > 0) this.#read(rest, memory);
    if (this.#rest.length === 0 && this.#mayRead) startSocket(this.#socket);
  }

  /** Nothing more is read. */
  drop(): void {
    this.#setRest(NO_BUFFER, NO_BUFFER);
    this.#holdBytes(0);
  }

  get #waitingBytes(): number {
    return this.#rest.length + this.#socket.readableLength;
  }

  #hold(): void {
    const { closed, isOverfull } = this.#reader;
    this.#holdBytes(isOverfull && !closed ? this.#waitingBytes : 0);
  }

  #holdBytes(bytes: number): void {
    const change = bytes - this.#heldBytes;
    this.#heldBytes = bytes;
    if (change !== 0) this.#counts.held(change);
  }

  get #mayRead(): boolean {
    return !(this.#reader.closed || this.#isStopped || this.#reader.isOverfull);
  }

  #keep(chunk: Buffer): void {
    if (this.#rest.length === 0) {
      this.#setRest(chunk, chunk);
      return;
    }
    const both = Buffer.concat([this.#rest, chunk]);
    freeMemory(this.#memory);
    freeMemory(chunk);
    this.#setRest(both, both);
  }

  /** `memory`: what the bytes lie in. */
  #read(bytes: Buffer, memory: Buffer): void {
    const comeBytes = bytes.length;
    const read = this.#reader.read(bytes);
    if (this.#reader.closed) return;
    const isWhole = read === comeBytes;
    if (isWhole) freeMemory(memory);
    else this.#setRest(bytes.subarray(read), memory);
    if (!isWhole || this.#reader.isOverfull) stopSocket(this.#socket);
    this.#hold();
  }

  #setRest(rest: Buffer, memory: Buffer): void {
    this.#rest = rest;
    this.#memory = memory;
  }
}

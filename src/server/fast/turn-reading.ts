/**
 * Reads a connection as turns let it: its reader stops behind any frame, and the rest of what has come waits in this process, at most
 * two chunks of a socket.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { setImmediate } from "node:timers";
import type { Boundary } from "../../common/boundary.ts";
import { NO_BUFFER } from "../../common/bytes.ts";
import type { Reading } from "../limits/readers.ts";

/** What reads the bytes. */
export interface BytesReader {
  /** It reads nothing more. */
  readonly closed: boolean;
  /** The peer takes too little of what is sent to it: nothing more is to be read until it does. */
  readonly isOverfull: boolean;
  /** Returns how far it came, which is less after `suspend()`. */
  read(bytes: Buffer): number;
  suspend(): void;
}

export class TurnReading implements Reading {
  readonly #socket: Socket;
  readonly #boundary: Boundary;
  readonly #reader: BytesReader;
  /** What has come, and waits for its turn. */
  #rest: Buffer = NO_BUFFER;
  /** Nothing is read in this turn. */
  #isStopped = false;
  #continues = false;

  /** `boundary` contains all that listens to `socket`. */
  constructor(socket: Socket, boundary: Boundary, reader: BytesReader) {
    this.#socket = socket;
    this.#boundary = boundary;
    this.#reader = reader;
    boundary.contain(socket).on("drain", () => {
      if (!this.#isStopped) this.#readOn();
    });
  }

  /** Takes what has come. */
  take(chunk: Buffer): void {
    if (this.#rest.length > 0 || this.#isStopped || this.#reader.isOverfull) {
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
      this.#socket.pause();
    } else this.#read(chunk);
  }

  stop(): void {
    if (this.#reader.closed) return;
    this.#isStopped = true;
    this.#reader.suspend();
    this.#socket.pause();
  }

  resume(): boolean {
    if (this.#reader.isOverfull) return false;
    this.#isStopped = false;
    this.#readOn();
    return true;
  }

  /** Nothing more is read. */
  drop(): void {
    this.#rest = NO_BUFFER;
  }

  #readOn(): void {
    if (this.#continues) return;
    this.#continues = true;
    setImmediate(this.#boundary.guard(this.#socket, () => this.#continue()));
  }

  #continue(): void {
    this.#continues = false;
    if (!this.#mayRead) return;
    const rest = this.#rest;
    this.#rest = NO_BUFFER;
    this.#read(rest);
    if (this.#rest.length === 0 && this.#mayRead) this.#socket.resume();
  }

  get #mayRead(): boolean {
    return !(this.#reader.closed || this.#isStopped || this.#reader.isOverfull);
  }

  #read(chunk: Buffer): void {
    const read = this.#reader.read(chunk);
    if (this.#reader.closed) return;
    if (read < chunk.length) this.#rest = chunk.subarray(read);
    if (read < chunk.length || this.#reader.isOverfull) this.#socket.pause();
  }
}

/**
 * Cuts the bytes of a stream into the messages that they carry behind gRPC's prefixes. A message that came in one
 * piece is a view of that piece, or a copy of it; others are gathered in memory of their own.
 */

import { Buffer } from "node:buffer";
import { NO_BUFFER } from "../../common/bytes.ts";
import { PREFIX_BYTES } from "./grpc-frame.ts";

export interface SplitterLimits {
  /** A longer message is a fault. */
  readonly messageMaxBytes: number;
  /** The most memory that a prefix gets for what it announces; the rest as it comes. */
  readonly unprovenMaxBytes: number;
  /** The pieces are written to again: a message that came in one is copied, and no view of it. Default false. */
  readonly copies?: boolean;
}

/** Why a stream cannot be cut any further. */
export type SplitterFault = "tooLarge" | "compressed";

export class MessageSplitter {
  readonly #limits: SplitterLimits;
  #chunk: Buffer = NO_BUFFER;
  /** Where in it the next bytes are, and where they end. */
  #at = 0;
  #end = 0;
  /** What has come of a prefix that came in pieces. */
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixBytes = 0;
  /** Of the message whose prefix was read; -1: none was. */
  #messageBytes = -1;
  /** What has come of it, if not all came in one piece. */
  #memory: Buffer = NO_BUFFER;
  #gatheredBytes = 0;
  #fault: SplitterFault | undefined;

  constructor(limits: SplitterLimits) {
    this.#limits = limits;
  }

  /** Whether it is between two messages. */
  get between(): boolean {
    return this.#at === this.#end && this.#prefixBytes === 0 && this.#messageBytes < 0;
  }

  /** Once there is one, there are no messages any more. */
  get fault(): SplitterFault | undefined {
    return this.#fault;
  }

  /**
   * Takes the next bytes, after `next` had nothing left of the last. They may be written to again when it has nothing
   * left of these, with `copies`; and never without.
   */
  push(chunk: Buffer, from = 0, to = chunk.length): void {
    if (this.#at < this.#end) throw new Error("the last bytes were not cut to the end");
    this.#chunk = chunk;
    this.#at = from;
    this.#end = to;
  }

  /** The next message, if all of it is here. */
  next(): Buffer | undefined {
    if (this.#messageBytes < 0 && !this.#readPrefix()) return undefined;
    const chunk = this.#chunk;
    const at = this.#at;
    const messageBytes = this.#messageBytes;
    if (this.#gatheredBytes === 0 && this.#end - at >= messageBytes) {
      this.#pass(messageBytes);
      this.#messageBytes = -1;
      if (!this.#limits.copies) return chunk.subarray(at, at + messageBytes);
      const message = Buffer.allocUnsafe(messageBytes);
      chunk.copy(message, 0, at, at + messageBytes);
      return message;
    }
    return this.#gather();
  }

  /** What was cut to the end is not kept: it may lie in much memory. */
  #pass(bytes: number): void {
    this.#at += bytes;
    if (this.#at < this.#end) return;
    this.#chunk = NO_BUFFER;
    this.#at = 0;
    this.#end = 0;
  }

  #readPrefix(): boolean {
    if (this.#fault !== undefined) return false;
    const chunk = this.#chunk;
    const rest = this.#end - this.#at;
    if (this.#prefixBytes === 0 && rest >= PREFIX_BYTES) {
      this.#take(chunk, this.#at);
      this.#pass(PREFIX_BYTES);
      return this.#fault === undefined;
    }
    const taken = Math.min(rest, PREFIX_BYTES - this.#prefixBytes);
    chunk.copy(this.#prefix, this.#prefixBytes, this.#at, this.#at + taken);
    this.#prefixBytes += taken;
    this.#pass(taken);
    if (this.#prefixBytes < PREFIX_BYTES) return false;
    this.#prefixBytes = 0;
    this.#take(this.#prefix, 0);
    return this.#fault === undefined;
  }

  #take(bytes: Buffer, at: number): void {
    const messageBytes = bytes.readUInt32BE(at + 1);
    if (bytes[at] !== 0) this.#fault = "compressed";
    else if (messageBytes > this.#limits.messageMaxBytes) this.#fault = "tooLarge";
    else this.#messageBytes = messageBytes;
  }

  #gather(): Buffer | undefined {
    const chunk = this.#chunk;
    const messageBytes = this.#messageBytes;
    const taken = Math.min(this.#end - this.#at, messageBytes - this.#gatheredBytes);
    const gatheredBytes = this.#gatheredBytes + taken;
    if (gatheredBytes > this.#memory.length) this.#grow(gatheredBytes);
    chunk.copy(this.#memory, this.#gatheredBytes, this.#at, this.#at + taken);
    this.#pass(taken);
    this.#gatheredBytes = gatheredBytes;
    if (gatheredBytes < messageBytes) return undefined;
    const message = this.#memory.subarray(0, messageBytes);
    this.#memory = NO_BUFFER;
    this.#gatheredBytes = 0;
    this.#messageBytes = -1;
    return message;
  }

  /** The room doubles, so that many small pieces are not copied again and again. */
  #grow(neededBytes: number): void {
    const roomBytes = Math.max(2 * neededBytes, this.#limits.unprovenMaxBytes);
    const grown = Buffer.allocUnsafe(Math.min(this.#messageBytes, roomBytes));
    this.#memory.copy(grown, 0, 0, this.#gatheredBytes);
    this.#memory = grown;
  }
}

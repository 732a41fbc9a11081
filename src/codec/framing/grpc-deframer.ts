/**
 * Cuts the bytes of a stream into its messages, each of which is behind a gRPC prefix. A message that arrives within
 * one chunk is a view of that chunk, or a copy. A message that arrives in several chunks is assembled in memory of
 * its own.
 */

import { Buffer } from "node:buffer";
import { NO_BUFFER } from "../../common/bytes.ts";
import { PREFIX_BYTES } from "./grpc-frame.ts";
import { returnMemory, STEP_BYTES, takeMemory } from "./message-memory.ts";

export interface DeframerLimits {
  /** A longer message is the fault "tooLarge". */
  readonly messageMaxBytes: number;
  /**
   * The most memory that is allocated for a message of which only the prefix has arrived. More follows as its bytes
   * arrive, so that a peer cannot reserve memory by announcing a length.
   */
  readonly firstAllocationMaxBytes: number;
  /**
   * The memory of the chunks is used again, so a message is always a copy, never a view of a chunk. Default false.
   */
  readonly copies?: boolean;
}

/** Why the rest of a stream cannot be read. */
export type DeframerFault = "tooLarge" | "compressed";

export class GrpcDeframer {
  readonly #limits: DeframerLimits;
  #chunk: Buffer = NO_BUFFER;
  /** The unread bytes of `#chunk`: from here to `#end`. */
  #at = 0;
  #end = 0;
  /** A prefix that arrives in several chunks, and how much of it has arrived. */
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixBytes = 0;
  /** The length of the message whose prefix was read; -1 between two messages. */
  #messageBytes = -1;
  /** A message that arrives in several chunks, and how much of it has arrived. */
  #memory: Buffer = NO_BUFFER;
  /** Its memory is from the pool. */
  #isPooled = false;
  #assembledBytes = 0;
  #fault: DeframerFault | undefined;

  constructor(limits: DeframerLimits) {
    this.#limits = limits;
  }

  /** The stream may end here: no message has begun. */
  get betweenMessages(): boolean {
    return this.#at === this.#end && this.#prefixBytes === 0 && this.#messageBytes < 0;
  }

  /** What it holds of messages that `next` has not returned. Of a chunk that is not read yet, the unread bytes. */
  get heldBytes(): number {
    return this.#memory.length + (this.#end - this.#at) + this.#prefixBytes;
  }

  /** After a fault, `next` returns no more messages. */
  get fault(): DeframerFault | undefined {
    return this.#fault;
  }

  /**
   * Takes the next chunk, once `next` has returned undefined for the one before. With `copies`, the caller may write
   * to the chunk again when `next` returns undefined for this one; without, never. Throws when unread bytes are left.
   */
  push(chunk: Buffer, from = 0, to = chunk.length): void {
    if (this.#at < this.#end) throw new Error("the last chunk has unread bytes");
    this.#chunk = chunk;
    this.#at = from;
    this.#end = to;
  }

  /** The next message. Undefined until all of it has arrived, and after a fault. */
  next(): Buffer | undefined {
    if (this.#messageBytes < 0 && !this.#readPrefix()) return undefined;
    const chunk = this.#chunk;
    const at = this.#at;
    const messageBytes = this.#messageBytes;
    if (this.#assembledBytes === 0 && this.#end - at >= messageBytes) {
      this.#advance(messageBytes);
      this.#messageBytes = -1;
      if (!this.#limits.copies) return chunk.subarray(at, at + messageBytes);
      const message = Buffer.allocUnsafe(messageBytes);
      chunk.copy(message, 0, at, at + messageBytes);
      return message;
    }
    return this.#assemble();
  }

  /** Drops the chunk once it is read: it may be a view of a large buffer. */
  #advance(bytes: number): void {
    this.#at += bytes;
    if (this.#at < this.#end) return;
    this.#chunk = NO_BUFFER;
    this.#at = 0;
    this.#end = 0;
  }

  /** Nobody takes its messages any more: the memory of the incomplete one is used again. */
  drop(): void {
    this.#replaceMemory(NO_BUFFER, false);
    this.#chunk = NO_BUFFER;
    this.#at = 0;
    this.#end = 0;
    this.#prefixBytes = 0;
    this.#assembledBytes = 0;
    this.#messageBytes = -1;
  }

  #readPrefix(): boolean {
    if (this.#fault !== undefined) return false;
    const chunk = this.#chunk;
    const rest = this.#end - this.#at;
    if (this.#prefixBytes === 0 && rest >= PREFIX_BYTES) {
      this.#parsePrefix(chunk, this.#at);
      this.#advance(PREFIX_BYTES);
      return this.#fault === undefined;
    }
    const taken = Math.min(rest, PREFIX_BYTES - this.#prefixBytes);
    chunk.copy(this.#prefix, this.#prefixBytes, this.#at, this.#at + taken);
    this.#prefixBytes += taken;
    this.#advance(taken);
    if (this.#prefixBytes < PREFIX_BYTES) return false;
    this.#prefixBytes = 0;
    this.#parsePrefix(this.#prefix, 0);
    return this.#fault === undefined;
  }

  #parsePrefix(bytes: Buffer, at: number): void {
    const messageBytes = bytes.readUInt32BE(at + 1);
    if (bytes[at] !== 0) this.#fault = "compressed";
    else if (messageBytes > this.#limits.messageMaxBytes) this.#fault = "tooLarge";
    else this.#messageBytes = messageBytes;
  }

  #assemble(): Buffer | undefined {
    const chunk = this.#chunk;
    const messageBytes = this.#messageBytes;
    const taken = Math.min(this.#end - this.#at, messageBytes - this.#assembledBytes);
    const assembledBytes = this.#assembledBytes + taken;
    if (assembledBytes > this.#memory.length) this.#grow(assembledBytes);
    chunk.copy(this.#memory, this.#assembledBytes, this.#at, this.#at + taken);
    this.#advance(taken);
    this.#assembledBytes = assembledBytes;
    if (assembledBytes < messageBytes) return undefined;
    const message = this.#memory.subarray(0, messageBytes);
    // It is the message's now.
    this.#memory = NO_BUFFER;
    this.#isPooled = false;
    this.#assembledBytes = 0;
    this.#messageBytes = -1;
    return message;
  }

  /** At least doubles the memory, so that many small chunks do not cause as many copies. */
  #grow(neededBytes: number): void {
    const capacityBytes = Math.max(2 * neededBytes, this.#limits.firstAllocationMaxBytes);
    const grownBytes = Math.min(this.#messageBytes, capacityBytes);
    const isPooled = grownBytes >= STEP_BYTES;
    const grown = isPooled ? takeMemory(grownBytes) : Buffer.allocUnsafe(grownBytes);
    this.#memory.copy(grown, 0, 0, this.#assembledBytes);
    this.#replaceMemory(grown, isPooled);
  }

  #replaceMemory(memory: Buffer, isPooled: boolean): void {
    if (this.#isPooled) returnMemory(this.#memory);
    this.#memory = memory;
    this.#isPooled = isPooled;
  }
}

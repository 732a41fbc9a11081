/** Encoded messages behind their gRPC prefix, which HTTP/2 sends without another copy. */
import type { Buffer } from "node:buffer";
import { returnMemory } from "./message-memory.ts";

/** One byte of flags, 0 for "not compressed", and four of the message's length. */
export const PREFIX_BYTES = 5;

/** One encoded message behind its prefix, to be sent. */
export class GrpcFrame {
  /** The prefix and the message. */
  readonly bytes: Buffer;
  #memory: Buffer | undefined;

  /** `memory`: from `takeMemory`, if `bytes` are a view of such; `release` returns it. */
  constructor(bytes: Buffer, memory?: Buffer) {
    this.bytes = bytes;
    this.#memory = memory;
  }

  /** The message without the prefix. */
  get message(): Buffer {
    return this.bytes.subarray(PREFIX_BYTES);
  }

  /** The memory that it occupies while it waits to be sent. */
  get heldBytes(): number {
    return this.#memory?.length ?? this.bytes.length;
  }

  /** To be called once it was sent: its memory is used again. A frame that is dropped unsent need not be released. */
  release(): void {
    if (this.#memory === undefined) return;
    returnMemory(this.#memory);
    this.#memory = undefined;
  }
}

/** Writes the prefix of a message of `messageBytes` at `at`. */
export function writePrefix(into: Buffer, at: number, messageBytes: number): void {
  into[at] = 0;
  into.writeUInt32BE(messageBytes, at + 1);
}

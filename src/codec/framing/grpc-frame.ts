/**
 * Encoded messages behind their gRPC prefix, which HTTP/2 sends without another copy, and a pool of the memory that
 * they are encoded in.
 */
import { Buffer } from "node:buffer";

/** One byte of flags, 0 for "not compressed", and four of the message's length. */
export const PREFIX_BYTES = 5;

/** Memory is allocated in multiples of this. */
const STEP_BYTES = 64 * 1024;
/** Larger memory is not pooled: few messages need it. */
const POOLED_MAX_BYTES = 1024 * 1024;
/**
 * Enough for the messages that are answered at once after the host has stopped the process for some 10 ms. Pooled
 * memory has moved to V8's old generation, so that memory pushed out by a burst is freed only by a full collection.
 */
const POOL_MAX_BYTES = 8 * 1024 * 1024;

const pool: Buffer[] = [];
let pooledBytes = 0;

/** Memory of at least `bytes`, not much more, and not cleared. The caller owns it until `returnMemory`. */
export function takeMemory(bytes: number): Buffer {
  for (let index = pool.length - 1; index >= 0; index--) {
    const memory = pool[index];
    if (memory === undefined || memory.length < bytes || memory.length > 2 * bytes + STEP_BYTES) continue;
    pool.splice(index, 1);
    pooledBytes -= memory.length;
    return memory;
  }
  return Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
}

/** Takes back what `takeMemory` gave. Nobody may use it any longer. */
export function returnMemory(memory: Buffer): void {
  if (memory.length > POOLED_MAX_BYTES) return;
  pool.push(memory);
  pooledBytes += memory.length;
  while (pooledBytes > POOL_MAX_BYTES) pooledBytes -= pool.shift()?.length ?? 0;
}

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

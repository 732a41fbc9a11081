/**
 * Encoded messages behind gRPC's prefix, as they go into HTTP/2 without being copied once more, and the memory that
 * they are encoded in, which is used again when they have been sent.
 */
import { Buffer } from "node:buffer";

/** A flag that is 0 for "not compressed" and the message's length. */
export const PREFIX_BYTES = 5;

/** Encoders ask for sizes that are multiples of this. */
const STEP_BYTES = 64 * 1024;
/** Larger memory is left to the collector: few messages need it. */
const KEPT_MAX_BYTES = 1024 * 1024;
/**
 * For as many messages as are answered at once when the host has stopped a process for some 10 ms. What is kept has
 * come into V8's old generation: what a burst pushed out would be freed by the next full collection only.
 */
const KEPT_TOTAL_MAX_BYTES = 8 * 1024 * 1024;

const kept: Buffer[] = [];
let keptBytes = 0;

/** Memory for at least so many bytes, not much more, and not cleared. */
export function takeMemory(bytes: number): Buffer {
  for (let index = kept.length - 1; index >= 0; index--) {
    const memory = kept[index];
    if (memory === undefined || memory.length < bytes || memory.length > 2 * bytes + STEP_BYTES) continue;
    kept.splice(index, 1);
    keptBytes -= memory.length;
    return memory;
  }
  return Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
}

/** Takes back what `takeMemory` gave: nobody reads it any longer. */
export function returnMemory(memory: Buffer): void {
  if (memory.length > KEPT_MAX_BYTES) return;
  kept.push(memory);
  keptBytes += memory.length;
  while (keptBytes > KEPT_TOTAL_MAX_BYTES) keptBytes -= kept.shift()?.length ?? 0;
}

/** One message, ready to be sent. */
export class GrpcFrame {
  /** The prefix and the message. */
  readonly bytes: Buffer;
  #memory: Buffer | undefined;

  /** `memory`: what `takeMemory` gave and `bytes` lies in, if it does. */
  constructor(bytes: Buffer, memory?: Buffer) {
    this.bytes = bytes;
    this.#memory = memory;
  }

  /** The message alone. */
  get message(): Buffer {
    return this.bytes.subarray(PREFIX_BYTES);
  }

  /** What waiting for its peer to take it costs. */
  get heldBytes(): number {
    return this.#memory?.length ?? this.bytes.length;
  }

  /** It was sent, and nobody reads it any longer. A frame that is dropped instead is the collector's. */
  release(): void {
    if (this.#memory === undefined) return;
    returnMemory(this.#memory);
    this.#memory = undefined;
  }
}

/** Writes the prefix of a message of so many bytes. */
export function writePrefix(into: Buffer, at: number, messageBytes: number): void {
  into[at] = 0;
  into.writeUInt32BE(messageBytes, at + 1);
}

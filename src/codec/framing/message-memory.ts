/**
 * A pool of memory for messages and large values. Without it each of them is a buffer that the collector has to find: V8
 * makes a full collection, which stops its thread for tens of milliseconds, whenever some 64 MiB of buffers have come.
 */
import { Buffer } from "node:buffer";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Memory is allocated in multiples of this. */
export const STEP_BYTES = 64 * KIB;

/** Memory of some sizes that nobody uses. The oldest is freed when there is too much of it. */
class Pool {
  readonly #maxBytes: number;
  readonly #free: Buffer[] = [];
  #freeBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#freeBytes;
  }

  /** Memory of at least `bytes`, not much more. Undefined: there is none. */
  take(bytes: number): Buffer | undefined {
    for (let index = this.#free.length - 1; index >= 0; index--) {
      const memory = this.#free[index];
      if (memory === undefined || memory.length < bytes || memory.length > 2 * bytes + STEP_BYTES) continue;
      this.#free.splice(index, 1);
      this.#freeBytes -= memory.length;
      return memory;
    }
    return undefined;
  }

  give(memory: Buffer): void {
    this.#free.push(memory);
    this.#freeBytes += memory.length;
    while (this.#freeBytes > this.#maxBytes) {
      const oldest = this.#free.shift();
      if (oldest === undefined) return;
      this.#freeBytes -= oldest.length;
      freeMemory(oldest);
    }
  }
}

const SMALL_MAX_BYTES = MIB;
/** Values of the largest default size, and answers of it, with what is around them. Larger ones need a setting. */
const LARGE_MAX_BYTES = 5 * MIB;
/** Enough for the messages that are answered at once after the host has stopped the process for some 10 ms. */
const small = new Pool(8 * MIB);
/** What one connection may have under way comes and goes by a few of the largest answers. */
const large = new Pool(16 * MIB);

/** What the pool has that nobody uses. */
export function pooledBytes(): number {
  return small.bytes + large.bytes;
}

/** Memory of at least `bytes`, not much more, and not cleared. The caller owns it until `returnMemory`. */
export function takeMemory(bytes: number): Buffer {
  // A small message may take what is a little too large for the small pool.
  const pooled = (bytes <= SMALL_MAX_BYTES ? small.take(bytes) : undefined) ?? large.take(bytes);
  return pooled ?? Buffer.allocUnsafeSlow(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
}

/** Takes back what `takeMemory` gave. Nobody may use it any longer. */
export function returnMemory(memory: Buffer): void {
  if (memory.length <= SMALL_MAX_BYTES) small.give(memory);
  else if (memory.length <= LARGE_MAX_BYTES) large.give(memory);
  else freeMemory(memory);
}

/** Smaller ones are cheaper to leave to the next young collection. */
const FREED_MIN_BYTES = 8 * KIB;

/**
 * Frees a buffer that has its memory to itself, at once and not with a collection: what outlives a young one is freed by the next full one,
 * and much of that at once leaves holes in the heap of the allocator. Nobody may use it any longer. Does nothing with others.
 */
export function freeMemory({ buffer, length }: Buffer): void {
  if (length >= FREED_MIN_BYTES && length === buffer.byteLength && buffer instanceof ArrayBuffer)
    buffer.transfer(0);
}

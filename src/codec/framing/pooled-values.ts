/**
 * Pooled memory for the large values of one answer, for a caller that encodes the answer and keeps nothing of it. Small values
 * get memory of their own: that costs less than the pool.
 */
import type { Buffer } from "node:buffer";
import { returnMemory, STEP_BYTES, takeMemory } from "./message-memory.ts";

export class PooledValues {
  readonly #taken: Buffer[] = [];

  /** Memory with any content, until `release`. Undefined: the value is small. */
  take(bytes: number): Uint8Array | undefined {
    if (bytes < STEP_BYTES) return undefined;
    const memory = takeMemory(bytes);
    this.#taken.push(memory);
    return new Uint8Array(memory.buffer, memory.byteOffset, bytes);
  }

  /** Nobody reads the values any more. */
  release(): void {
    if (this.#taken.length === 0) return;
    for (const memory of this.#taken) returnMemory(memory);
    this.#taken.length = 0;
  }
}

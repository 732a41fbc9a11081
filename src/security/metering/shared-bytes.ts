/**
 * Bytes that change with every call, added up over all threads of a process. Each thread counts for itself, and writes what it
 * has into the sum when that has changed by much.
 */

/** The sum is in units that fit into an Int32, for which alone there are atomic additions without objects. */
const UNIT_BYTES = 1_024;
/** What a thread may have that the sum does not know of, or no longer. */
const UNWRITTEN_BYTES = 64 * 1_024;

export class SharedBytes {
  readonly #sum: Int32Array;
  #ownBytes = 0;
  #writtenUnits = 0;

  /** `sum`: one cell, at first 0. */
  constructor(sum: Int32Array) {
    this.#sum = sum;
  }

  /** Exact for this thread. */
  get bytes(): number {
    const othersUnits = Atomics.load(this.#sum, 0) - this.#writtenUnits;
    return Math.max(0, othersUnits) * UNIT_BYTES + this.#ownBytes;
  }

  /** Negative: so many are no longer there. */
  add(bytes: number): void {
    this.#ownBytes += bytes;
    const unwritten = this.#ownBytes - this.#writtenUnits * UNIT_BYTES;
    if (unwritten < UNWRITTEN_BYTES && unwritten > -UNWRITTEN_BYTES) return;
    const units = Math.floor(this.#ownBytes / UNIT_BYTES);
    Atomics.add(this.#sum, 0, units - this.#writtenUnits);
    this.#writtenUnits = units;
  }
}

/**
 * Which contents of files were logged, in memory that all threads of a process share: each of them reads the files for itself, and
 * one line of the log is enough.
 */
import { hash } from "node:crypto";

/** Subjects that fall into one slot may be told of more often than once. */
const SLOTS = 1_024;

export function createNewsMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(SLOTS * BigInt64Array.BYTES_PER_ELEMENT);
}

export class SharedNews {
  readonly #told: BigInt64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#told = new BigInt64Array(memory);
  }

  /** True: these are not the contents, or the fault, of this subject that some thread has asked about last. */
  isNew(subject: string, contents: string): boolean {
    const slot = Number(BigInt.asUintN(32, idOf(subject))) % SLOTS;
    const id = idOf(contents);
    return Atomics.exchange(this.#told, slot, id) !== id;
  }
}

function idOf(text: string): bigint {
  return hash("sha256", text, "buffer").readBigInt64LE();
}

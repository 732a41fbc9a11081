/**
 * The buffer of a table as words and as bytes, and the names of the words in its control block.
 *
 * All state of a table is in this buffer, so that threads can share the table under a lock.
 */

/** Words of the control block. The words of a ring are named in `log-ring.ts`. */
export const CONTROL = {
  segmentsTouched: 0,
  freeSegment: 1,
  freeSegments: 2,
  indexSegments: 3,
  indexSegment: 4,
  chunksLeft: 5,
  directoryDepth: 6,
  entries: 7,
  ghostClock: 8,
  smallRing: 16,
  mainRing: 32,
} as const;

/** Up to here a loop takes less time than the call of a native copy. */
const SHORT_BYTES = 24;

export class Memory {
  readonly buffer: SharedArrayBuffer;
  readonly words: Uint32Array<SharedArrayBuffer>;
  readonly bytes: Buffer<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Uint32Array(buffer);
    this.bytes = Buffer.from(buffer);
  }

  word(at: number): number {
    return this.words[at] ?? 0;
  }

  setWord(at: number, value: number): void {
    this.words[at] = value;
  }

  addToWord(at: number, delta: number): void {
    this.words[at] = this.word(at) + delta;
  }

  /** Copies its bytes from `begin` to `end`. */
  copyBytes(begin: number, end: number, target: Uint8Array, atByte: number): void {
    if (end - begin <= SHORT_BYTES) {
      for (let at = begin; at < end; at++) target[atByte + at - begin] = this.bytes[at] ?? 0;
    } else this.bytes.copy(target, atByte, begin, end);
  }

  /** Copies the bytes of `source` from `begin` to `end`. Mostly that is all of them, which needs no view. */
  setBytes(atByte: number, source: Uint8Array, begin: number, end: number): void {
    if (end - begin <= SHORT_BYTES) {
      for (let at = begin; at < end; at++) this.bytes[atByte + at - begin] = source[at] ?? 0;
      return;
    }
    const isWhole = begin === 0 && end === source.length;
    this.bytes.set(isWhole ? source : source.subarray(begin, end), atByte);
  }
}

/** The pool of segments of a buffer, for the rings and the index. */
import type { Geometry } from "./geometry.ts";
import { CONTROL, type Memory } from "./memory.ts";

/**
 * Segments that a move of an entry from a tail to a head may take before it returns one. They are kept free: without
 * them nothing could be reclaimed.
 */
export const MOVE_SEGMENTS = 2;

export class SegmentPool {
  readonly geometry: Geometry;
  readonly #memory: Memory;

  constructor(memory: Memory, geometry: Geometry) {
    this.#memory = memory;
    this.geometry = geometry;
  }

  get freeCount(): number {
    const untouched = this.geometry.segmentCount - this.#memory.word(CONTROL.segmentsTouched);
    return this.#memory.word(CONTROL.freeSegments) + untouched;
  }

  /** Returns a segment with any content. Free segments go first: an untouched one would cost resident memory. */
  take(): number {
    const memory = this.#memory;
    const free = memory.word(CONTROL.freeSegment);
    if (free !== 0) {
      memory.setWord(CONTROL.freeSegment, this.next(free));
      memory.addToWord(CONTROL.freeSegments, -1);
      this.link(free, 0);
      return free;
    }
    const segment = memory.word(CONTROL.segmentsTouched) + 1;
    if (segment > this.geometry.segmentCount) throw new Error("no segment is free");
    memory.setWord(CONTROL.segmentsTouched, segment);
    this.link(segment, 0);
    return segment;
  }

  give(segment: number): void {
    this.link(segment, this.#memory.word(CONTROL.freeSegment));
    this.#memory.setWord(CONTROL.freeSegment, segment);
    this.#memory.addToWord(CONTROL.freeSegments, 1);
  }

  /** The segment after this one in its ring, 0 at the end. */
  next(segment: number): number {
    return this.#memory.word(this.geometry.linksAtWord + segment);
  }

  link(segment: number, next: number): void {
    this.#memory.setWord(this.geometry.linksAtWord + segment, next);
  }

  byteOf(segment: number): number {
    return this.geometry.segmentsAtByte + (segment - 1) * this.geometry.segmentBytes;
  }

  segmentOf(byte: number): number {
    return ((byte - this.geometry.segmentsAtByte) >>> this.geometry.segmentShift) + 1;
  }

  /** The offset of a byte in its segment. */
  offsetOf(byte: number): number {
    return (byte - this.geometry.segmentsAtByte) & (this.geometry.segmentBytes - 1);
  }
}

/**
 * A first-in-first-out log of entries over a chain of segments: written at its head, reclaimed at its tail.
 *
 * An entry's head lies in one piece, and what is too short for the next one at the end of a segment is
 * padding. A value goes on in the next segment where this one ends, so that no segment need be as large as the
 * largest value and nothing fragments. Segments go back to the pool as the tail leaves them, in the middle of a
 * value too: an entry moves from tail to head with at most two segments to spare, however large it is.
 */
import { entryBytes, HEADER_BYTES, headBytesAt, PADDING, valueBytesAt } from "./entry-header.ts";
import type { Memory } from "./memory.ts";
import type { SegmentPool } from "./segment-pool.ts";

/** The words of a ring in the control block. */
export const RING_WORD = {
  headSegment: 0,
  headOffset: 1,
  tailSegment: 2,
  tailOffset: 3,
  segments: 4,
  liveBytes: 5,
  deadBytes: 6,
  entries: 7,
} as const;

export class LogRing {
  readonly #memory: Memory;
  readonly #pool: SegmentPool;
  readonly #controlAt: number;
  readonly #segmentBytes: number;

  constructor(memory: Memory, pool: SegmentPool, controlAt: number) {
    this.#memory = memory;
    this.#pool = pool;
    this.#controlAt = controlAt;
    this.#segmentBytes = pool.geometry.segmentBytes;
  }

  get segments(): number {
    return this.#get(RING_WORD.segments);
  }

  /** Of the entries that the index knows. */
  get liveBytes(): number {
    return this.#get(RING_WORD.liveBytes);
  }

  /** Of the entries that were removed or overwritten and not yet reclaimed. */
  get deadBytes(): number {
    return this.#get(RING_WORD.deadBytes);
  }

  get entries(): number {
    return this.#get(RING_WORD.entries);
  }

  /** Counts an entry in. */
  enter(bytes: number): void {
    this.#add(RING_WORD.liveBytes, bytes);
    this.#add(RING_WORD.entries, 1);
  }

  /** Counts an entry out whose bytes stay in the log for now. */
  bury(bytes: number): void {
    this.leave(bytes);
    this.#add(RING_WORD.deadBytes, bytes);
  }

  /** Counts an entry out. */
  leave(bytes: number): void {
    this.#add(RING_WORD.liveBytes, -bytes);
    this.#add(RING_WORD.entries, -1);
  }

  /** Counts a buried entry's bytes out. */
  unearth(bytes: number): void {
    this.#add(RING_WORD.deadBytes, -bytes);
  }

  /** Makes place at the head for a head of an entry; returns its word. Write it before anything else. */
  beginEntry(headBytes: number): number {
    if (this.#get(RING_WORD.headSegment) === 0) {
      const segment = this.#take();
      this.#set(RING_WORD.headSegment, segment);
      this.#set(RING_WORD.tailSegment, segment);
      this.#set(RING_WORD.headOffset, 0);
      this.#set(RING_WORD.tailOffset, 0);
    }
    const room = this.#segmentBytes - this.#get(RING_WORD.headOffset);
    if (room < headBytes) {
      if (room >= HEADER_BYTES) this.#memory.setWord(this.#headByte() / 4 + 1, PADDING);
      this.#extend();
    }
    const at = this.#headByte() / 4;
    this.#add(RING_WORD.headOffset, headBytes);
    return at;
  }

  /** Goes on with the value of the entry that was begun, or with a part of it. */
  append(source: Uint8Array, begin: number, end: number): void {
    let from = begin;
    while (from < end) {
      const bytes = Math.min(end - from, this.#headRoom());
      this.#memory.setBytes(this.#headByte(), source, from, from + bytes);
      this.#add(RING_WORD.headOffset, bytes);
      from += bytes;
    }
  }

  endEntry(): void {
    this.#set(RING_WORD.headOffset, (this.#get(RING_WORD.headOffset) + 3) & ~3);
  }

  /** The word of the oldest entry, dead or alive; 0: the ring is empty. */
  tail(): number {
    for (;;) {
      const segment = this.#get(RING_WORD.tailSegment);
      if (segment === 0) return 0;
      const offset = this.#get(RING_WORD.tailOffset);
      const isLast = segment === this.#get(RING_WORD.headSegment);
      if (isLast && offset === this.#get(RING_WORD.headOffset)) {
        this.#giveTail();
        this.#set(RING_WORD.headSegment, 0);
        return 0;
      }
      const at = (this.#pool.byteOf(segment) + offset) / 4;
      if (this.#segmentBytes - offset >= HEADER_BYTES && this.#memory.word(at + 1) !== PADDING) return at;
      this.#giveTail();
    }
  }

  /** Takes `bytes` off the tail: the oldest entry, whose word is no longer good. */
  dropTail(bytes: number): void {
    let left = bytes;
    while (left > 0) left -= this.#leaveTail(left);
  }

  /** Moves the oldest entry to the head of `target`, which may be this ring; returns its new word. */
  moveTail(target: LogRing): number {
    const memory = this.#memory;
    const from = this.tail();
    const headBytes = headBytesAt(memory, from);
    const valueBytes = valueBytesAt(memory, from);
    const to = target.beginEntry(headBytes);
    memory.bytes.copyWithin(to * 4, from * 4, from * 4 + headBytes);
    this.#leaveTail(headBytes);
    let left = valueBytes;
    while (left > 0) {
      const offset = this.#get(RING_WORD.tailOffset);
      const bytes = Math.min(left, target.#headRoom(), this.#segmentBytes - offset);
      if (bytes > 0) {
        const source = this.#pool.byteOf(this.#get(RING_WORD.tailSegment)) + offset;
        memory.bytes.copyWithin(target.#headByte(), source, source + bytes);
        target.#add(RING_WORD.headOffset, bytes);
        left -= bytes;
      }
      this.#leaveTail(bytes);
    }
    target.endEntry();
    this.#leaveTail(entryBytes(headBytes, valueBytes) - headBytes - valueBytes);
    return to;
  }

  /** Goes on by at most `bytes` within the tail's segment, or to the next one at its end. */
  #leaveTail(bytes: number): number {
    const offset = this.#get(RING_WORD.tailOffset);
    const room = this.#segmentBytes - offset;
    if (room === 0) {
      this.#giveTail();
      return 0;
    }
    const left = Math.min(bytes, room);
    this.#set(RING_WORD.tailOffset, offset + left);
    return left;
  }

  #giveTail(): void {
    const segment = this.#get(RING_WORD.tailSegment);
    this.#set(RING_WORD.tailSegment, this.#pool.next(segment));
    this.#set(RING_WORD.tailOffset, 0);
    this.#add(RING_WORD.segments, -1);
    this.#pool.give(segment);
  }

  #take(): number {
    this.#add(RING_WORD.segments, 1);
    return this.#pool.take();
  }

  #extend(): void {
    const segment = this.#take();
    this.#pool.link(this.#get(RING_WORD.headSegment), segment);
    this.#set(RING_WORD.headSegment, segment);
    this.#set(RING_WORD.headOffset, 0);
  }

  /** At least 1: goes on to another segment where this one is full. */
  #headRoom(): number {
    const room = this.#segmentBytes - this.#get(RING_WORD.headOffset);
    if (room > 0) return room;
    this.#extend();
    return this.#segmentBytes;
  }

  #headByte(): number {
    return this.#pool.byteOf(this.#get(RING_WORD.headSegment)) + this.#get(RING_WORD.headOffset);
  }

  #get(word: number): number {
    return this.#memory.word(this.#controlAt + word);
  }

  #set(word: number, value: number): void {
    this.#memory.setWord(this.#controlAt + word, value);
  }

  #add(word: number, delta: number): void {
    this.#memory.addToWord(this.#controlAt + word, delta);
  }
}

/**
 * A first-in-first-out log of entries over a chain of segments: written at its head, reclaimed at its tail.
 *
 * The head of an entry lies in one segment; the end of a segment that is too short for the next head is padding. A
 * value continues in the next segment, so that a segment may be smaller than a value, and memory does not fragment. A
 * segment returns to the pool as soon as the tail has left it, even in the middle of a value: two free segments are
 * enough to move an entry of any size from the tail to the head.
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

  /** Of the entries in the index. */
  get liveBytes(): number {
    return this.#get(RING_WORD.liveBytes);
  }

  /** Of removed and overwritten entries that are not reclaimed yet. */
  get deadBytes(): number {
    return this.#get(RING_WORD.deadBytes);
  }

  get entries(): number {
    return this.#get(RING_WORD.entries);
  }

  /** Counts a live entry. */
  addLive(bytes: number): void {
    this.#add(RING_WORD.liveBytes, bytes);
    this.#add(RING_WORD.entries, 1);
  }

  /** Counts a live entry as dead. */
  markDead(bytes: number): void {
    this.removeLive(bytes);
    this.#add(RING_WORD.deadBytes, bytes);
  }

  /** Counts a live entry less. */
  removeLive(bytes: number): void {
    this.#add(RING_WORD.liveBytes, -bytes);
    this.#add(RING_WORD.entries, -1);
  }

  /** Counts a dead entry less. */
  reclaimDead(bytes: number): void {
    this.#add(RING_WORD.deadBytes, -bytes);
  }

  /** Reserves memory for an entry's head and returns its word. The caller writes it before the next call. */
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

  /** Appends bytes to the value of the entry that was begun. */
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

  /** The word of the oldest entry, live or dead; 0: the ring is empty. */
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

  /** Drops the oldest entry, which has so many bytes. Its word is invalid from now on. */
  dropTail(bytes: number): void {
    let left = bytes;
    while (left > 0) left -= this.#leaveTail(left);
  }

  /** Moves the oldest entry to the head of `target`, which may be this ring. Returns its new word. */
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
    this.dropTail(entryBytes(headBytes, valueBytes) - headBytes - valueBytes);
    return to;
  }

  /**
   * Moves the tail by at most `bytes` within its segment, or to the next segment at its end. Returns by how much. Only where more
   * of an entry is to come: there is a next segment then.
   */
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

  /** The room in the segment of the head, at least 1: a full segment gets a next one. */
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

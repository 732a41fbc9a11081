/**
 * Finds entries by their hash: extendible hashing (Fagin et al., TODS 1979) over chunks, which are small
 * open-addressing tables.
 *
 * A directory, indexed by the upper bits of the hash, points to the chunk. A full chunk is split in two, and two nearly
 * empty ones are merged: the index grows and shrinks by one chunk at a time, out of the same segments as the log.
 */
import { ChunkStack } from "./chunk-stack.ts";
import {
  CHUNK_WORDS,
  chunkCount,
  chunkDepth,
  chunkPrefix,
  clearChunk,
  firstSlot,
  insertSlot,
  nextSlot,
  removeSlot,
  SLOT_WORDS,
  SLOTS_PER_CHUNK,
  setDepthAndPrefix,
} from "./index-chunk.ts";
import { CONTROL, type Memory } from "./memory.ts";
import type { SegmentPool } from "./segment-pool.ts";

/** A chunk is split when 7/8 of its slots are used. Without memory for that, it is filled up to its last empty slot. */
const SPLIT_AT_COUNT = Math.floor((SLOTS_PER_CHUNK * 7) / 8);
const CHUNK_MAX_COUNT = SLOTS_PER_CHUNK - 1;
/** A chunk with less than 1/4 of its slots used is merged with its neighbour when both together use less than half. */
const MERGE_AT_COUNT = Math.floor(SLOTS_PER_CHUNK / 4);
const MERGED_MAX_COUNT = Math.floor(SLOTS_PER_CHUNK / 2);
const TWO_32 = 0x1_0000_0000;

/**
 * The hashes of one shard have the same upper bits. A multiplication by an odd number, 2^32 divided by the golden
 * ratio, is reversible and makes the upper bits depend on all others.
 */
export function mixHash(hash: number): number {
  return Math.imul(hash, 0x9e37_79b1) >>> 0;
}

export class KeyIndex {
  readonly #memory: Memory;
  readonly #chunks: ChunkStack;
  readonly #directoryAt: number;
  readonly #directoryMaxDepth: number;
  /** The slots of a chunk while it is split or merged. */
  readonly #moving = new Uint32Array(CHUNK_WORDS);
  readonly #hashes = new Uint32Array(SLOTS_PER_CHUNK);

  constructor(memory: Memory, pool: SegmentPool) {
    this.#memory = memory;
    this.#chunks = new ChunkStack(memory, pool);
    this.#directoryAt = pool.geometry.directoryAtWord;
    this.#directoryMaxDepth = pool.geometry.directoryMaxDepth;
  }

  /** Once, on memory of zeros. */
  initialize(): void {
    this.#memory.setWord(this.#directoryAt, this.#chunks.push());
  }

  /** The word of the first slot with this hash; 0: none. Slots are valid until the next insertion or removal. */
  first(hash: number): number {
    return firstSlot(this.#memory, this.#chunkOf(hash), hash);
  }

  /** The next slot with this hash. */
  next(slot: number, hash: number): number {
    return nextSlot(this.#memory, this.#chunkOf(hash), slot, hash);
  }

  /** The slot of the entry at a word of the log. */
  slotOf(hash: number, at: number): number {
    let slot = this.first(hash);
    while (slot !== 0 && this.entryOf(slot) !== at) slot = this.next(slot, hash);
    if (slot === 0) throw new Error("the index does not know an entry of the log");
    return slot;
  }

  /** Where the entry of a slot is in the log. */
  entryOf(slot: number): number {
    return this.#memory.word(slot);
  }

  relocate(slot: number, at: number): void {
    this.#memory.setWord(slot, at);
  }

  /** Makes room for one more entry with this hash. False: there is no memory for it. */
  admit(hash: number): boolean {
    for (;;) {
      const chunk = this.#chunkOf(hash);
      const count = chunkCount(this.#memory, chunk);
      if (count < SPLIT_AT_COUNT) return true;
      if (!this.#split(chunk)) return count < CHUNK_MAX_COUNT;
    }
  }

  /** After `admit`. */
  insert(hash: number, at: number): void {
    insertSlot(this.#memory, this.#chunkOf(hash), hash, at);
  }

  remove(slot: number): void {
    const chunk = this.#chunkOf(this.#memory.word(slot + 1));
    removeSlot(this.#memory, chunk, slot);
    if (chunkCount(this.#memory, chunk) <= MERGE_AT_COUNT) this.#merge(chunk);
  }

  /** The hashes from `from` on in the chunk of `from`, in ascending order. Valid until the next call. */
  hashesFrom(from: number): Uint32Array {
    const memory = this.#memory;
    const chunk = this.#chunkOf(from);
    let found = 0;
    if (chunkCount(memory, chunk) > 0) {
      for (let slot = chunk + SLOT_WORDS; slot < chunk + CHUNK_WORDS; slot += SLOT_WORDS) {
        const hash = memory.word(slot + 1);
        if (memory.word(slot) !== 0 && hash >= from) this.#hashes[found++] = hash;
      }
    }
    return this.#hashes.subarray(0, found).sort();
  }

  /** The first hash behind the chunk of `hash`; 2^32 when it is the last chunk. */
  hashAfterChunk(hash: number): number {
    const span = TWO_32 / 2 ** chunkDepth(this.#memory, this.#chunkOf(hash));
    return (Math.floor(hash / span) + 1) * span;
  }

  #chunkOf(hash: number): number {
    // Two shifts: a shift by 32 would be a shift by 0.
    const pointer = (hash >>> 1) >>> (31 - this.#memory.word(CONTROL.directoryDepth));
    return this.#memory.word(this.#directoryAt + pointer);
  }

  /** Moves the upper half of a chunk's hashes to a new chunk. False: there is no memory for it. */
  #split(chunk: number): boolean {
    const memory = this.#memory;
    const depth = chunkDepth(memory, chunk) + 1;
    const prefix = chunkPrefix(memory, chunk) * 2;
    if (depth > memory.word(CONTROL.directoryDepth) && !this.#doubleDirectory()) return false;
    const upper = this.#chunks.push();
    if (upper === 0) return false;
    this.#moving.set(memory.words.subarray(chunk, chunk + CHUNK_WORDS));
    clearChunk(memory, chunk);
    setDepthAndPrefix(memory, chunk, depth, prefix);
    setDepthAndPrefix(memory, upper, depth, prefix + 1);
    this.#pointTo(upper);
    this.#insertMoving();
    return true;
  }

  /** Merges a chunk with its neighbour, from which it was split, if the result is at most half full. */
  #merge(chunk: number): void {
    const memory = this.#memory;
    const depth = chunkDepth(memory, chunk);
    if (depth === 0) return;
    const prefix = chunkPrefix(memory, chunk);
    const neighbour = this.#chunkOf((prefix ^ 1) * 2 ** (32 - depth));
    if (chunkDepth(memory, neighbour) !== depth) return;
    if (chunkCount(memory, chunk) + chunkCount(memory, neighbour) > MERGED_MAX_COUNT) return;
    this.#moving.set(memory.words.subarray(neighbour, neighbour + CHUNK_WORDS));
    setDepthAndPrefix(memory, chunk, depth - 1, prefix >>> 1);
    this.#pointTo(chunk);
    if (this.#chunks.remove(neighbour)) this.#pointTo(neighbour);
    this.#insertMoving();
  }

  #insertMoving(): void {
    const moving = this.#moving;
    for (let slot = SLOT_WORDS; slot < CHUNK_WORDS; slot += SLOT_WORDS) {
      const at = moving[slot] ?? 0;
      if (at !== 0) this.insert(moving[slot + 1] ?? 0, at);
    }
  }

  /** Sets all pointers of the directory that belong to a chunk. */
  #pointTo(chunk: number): void {
    const memory = this.#memory;
    const pointers = 2 ** (memory.word(CONTROL.directoryDepth) - chunkDepth(memory, chunk));
    const first = this.#directoryAt + chunkPrefix(memory, chunk) * pointers;
    memory.words.fill(chunk, first, first + pointers);
  }

  #doubleDirectory(): boolean {
    const memory = this.#memory;
    const depth = memory.word(CONTROL.directoryDepth);
    if (depth === this.#directoryMaxDepth) return false;
    for (let pointer = 2 ** depth - 1; pointer >= 0; pointer--) {
      const chunk = memory.word(this.#directoryAt + pointer);
      memory.setWord(this.#directoryAt + 2 * pointer, chunk);
      memory.setWord(this.#directoryAt + 2 * pointer + 1, chunk);
    }
    memory.setWord(CONTROL.directoryDepth, depth + 1);
    return true;
  }
}

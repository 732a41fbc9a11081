/**
 * Finds entries by their hash: extendible hashing over chunks that are small open-addressing tables.
 *
 * A directory, indexed by the upper bits of the hash, says in which chunk to look. A chunk that fills up is
 * split in two, and two that have emptied become one again, so the index grows and shrinks a chunk at a time
 * and never all at once, out of the same segments as the log. (Fagin et al., "Extendible hashing", TODS 1979.)
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

/** A chunk is split when it is fuller than 7/8; when memory forbids, it may fill up to the last empty slot. */
const SPLIT_AT_COUNT = Math.floor((SLOTS_PER_CHUNK * 7) / 8);
const CHUNK_MAX_COUNT = SLOTS_PER_CHUNK - 1;
/** A chunk that is emptier than 1/4 joins its neighbour when together they fill less than half of one. */
const MERGE_AT_COUNT = Math.floor(SLOTS_PER_CHUNK / 4);
const MERGED_MAX_COUNT = Math.floor(SLOTS_PER_CHUNK / 2);
const TWO_32 = 0x1_0000_0000;

/**
 * Hashes of one shard have their upper bits in common. Multiplying by an odd number (2^32 divided by the
 * golden ratio) loses nothing and makes the upper bits depend on all others.
 */
export function mixHash(hash: number): number {
  return Math.imul(hash, 0x9e37_79b1) >>> 0;
}

export class KeyIndex {
  readonly #memory: Memory;
  readonly #chunks: ChunkStack;
  readonly #directoryAt: number;
  readonly #directoryMaxDepth: number;
  /** Slots under way from one chunk to others. */
  readonly #moving = new Uint32Array(CHUNK_WORDS);
  readonly #hashes = new Uint32Array(SLOTS_PER_CHUNK);

  constructor(memory: Memory, pool: SegmentPool) {
    this.#memory = memory;
    this.#chunks = new ChunkStack(memory, pool);
    this.#directoryAt = pool.geometry.directoryAtWord;
    this.#directoryMaxDepth = pool.geometry.directoryMaxDepth;
  }

  /** Before anything else, on memory that is all zero. */
  initialize(): void {
    this.#memory.setWord(this.#directoryAt, this.#chunks.push());
  }

  /** The first slot with this hash, as a word; 0: none. Slots are good until the next insertion or removal. */
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

  /** Makes sure that one more entry with this hash has a slot. False: there is no memory for it. */
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

  /** The hashes from `from` on in the chunk of `from`, in ascending order. Good until the next call. */
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

  /** The least hash that is past the chunk of `hash`; 2^32 when that was the last. */
  hashAfterChunk(hash: number): number {
    const span = TWO_32 / 2 ** chunkDepth(this.#memory, this.#chunkOf(hash));
    return (Math.floor(hash / span) + 1) * span;
  }

  #chunkOf(hash: number): number {
    // In two steps, since a shift by 32 is a shift by 0.
    const pointer = (hash >>> 1) >>> (31 - this.#memory.word(CONTROL.directoryDepth));
    return this.#memory.word(this.#directoryAt + pointer);
  }

  /** Makes the upper half of a chunk's hashes a chunk of its own. */
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

  /** Makes a chunk and its neighbour, with which it was one once, one again, if that leaves it half empty. */
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

  /** Lets the directory point to a chunk wherever its prefix says. */
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

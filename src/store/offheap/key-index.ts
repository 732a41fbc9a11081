/**
 * Finds entries by their hash: extendible hashing over chunks that are small open-addressing tables.
 *
 * A directory, indexed by the upper bits of the hash, says in which chunk to look; in its chunk a hash is
 * found by linear probing. A chunk that fills up is split in two, so the index grows a chunk at a time, never
 * all at once, out of the same segments as the log. (Fagin et al., "Extendible hashing", TODS 1979.)
 *
 * A chunk is a count, its depth (how many upper bits its hashes share), and slots of two words: where the
 * entry is, 0 in an empty slot, and its hash. The directory keeps where its chunks begin, in words.
 */
import { chunkBytes } from "./geometry.ts";
import { control, type Memory } from "./memory.ts";
import { moveSegments, type SegmentPool } from "./segment-pool.ts";

const chunkWords = chunkBytes / 4;
export const slotsPerChunk = chunkWords / 2 - 1;
/** A chunk is split when it is fuller than 7/8; when memory forbids, it may fill up to the last empty slot. */
const splitAtCount = Math.floor((slotsPerChunk * 7) / 8);
export const chunkMaxCount = slotsPerChunk - 1;
const slotWords = 2;
const two32 = 0x1_0000_0000;

/**
 * Hashes of one shard have their upper bits in common. Multiplying by an odd number (2^32 divided by the
 * golden ratio) loses nothing and makes the upper bits depend on all others.
 */
export function mixHash(hash: number): number {
  return Math.imul(hash, 0x9e37_79b1) >>> 0;
}

/** Where a chunk's slots begin, and what its words say. */
export const chunkCount = (memory: Memory, chunk: number): number => memory.word(chunk);
export const chunkDepth = (memory: Memory, chunk: number): number => memory.word(chunk + 1);

export class KeyIndex {
  readonly #memory: Memory;
  readonly #pool: SegmentPool;
  readonly #directoryAt: number;
  readonly #split = new Uint32Array(chunkWords);
  readonly #hashes = new Uint32Array(slotsPerChunk);

  constructor(memory: Memory, pool: SegmentPool) {
    this.#memory = memory;
    this.#pool = pool;
    this.#directoryAt = pool.geometry.directoryAtWord;
  }

  /** Before anything else, on memory that is all zero. */
  initialize(): void {
    this.#memory.setWord(this.#directoryAt, this.#createChunk(0));
  }

  /** The first slot with this hash, as a word; 0: none. */
  first(hash: number): number {
    const chunk = this.chunkOf(hash);
    return this.#probe(chunk, chunk + 2 + homeOf(hash) * slotWords, hash);
  }

  /** The next slot with this hash. */
  next(slot: number, hash: number): number {
    const chunk = this.chunkOf(hash);
    return this.#probe(chunk, after(chunk, slot), hash);
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
      const chunk = this.chunkOf(hash);
      const count = chunkCount(this.#memory, chunk);
      if (count < splitAtCount) return true;
      if (!this.#splitChunk(chunk, hash)) return count < chunkMaxCount;
    }
  }

  /** After `admit`. */
  insert(hash: number, at: number): void {
    insertSlot(this.#memory, this.chunkOf(hash), hash, at);
  }

  /** Empties a slot, and moves what was probed past it. (Knuth, TAOCP 6.4, algorithm R.) */
  remove(slot: number): void {
    const memory = this.#memory;
    const chunk = this.chunkOf(memory.word(slot + 1));
    let hole = slot;
    let probe = after(chunk, slot);
    while (memory.word(probe) !== 0) {
      const home = chunk + 2 + homeOf(memory.word(probe + 1)) * slotWords;
      if (!isBetween(hole, home, probe)) {
        memory.setWord(hole, memory.word(probe));
        memory.setWord(hole + 1, memory.word(probe + 1));
        hole = probe;
      }
      probe = after(chunk, probe);
    }
    memory.setWord(hole, 0);
    memory.addToWord(chunk, -1);
  }

  chunkOf(hash: number): number {
    // In two steps, since a shift by 32 is a shift by 0.
    const index = (hash >>> 1) >>> (31 - this.#memory.word(control.directoryDepth));
    return this.#memory.word(this.#directoryAt + index);
  }

  /** The hashes from `from` on in the chunk of `from`, in ascending order. Good until the next call. */
  hashesFrom(from: number): Uint32Array {
    const memory = this.#memory;
    const chunk = this.chunkOf(from);
    let found = 0;
    if (chunkCount(memory, chunk) > 0) {
      for (let slot = chunk + 2; slot < chunk + chunkWords; slot += slotWords) {
        const hash = memory.word(slot + 1);
        if (memory.word(slot) !== 0 && hash >= from) this.#hashes[found++] = hash;
      }
    }
    return this.#hashes.subarray(0, found).sort();
  }

  /** The least hash that is past the chunk of `hash`; 2^32 when that was the last. */
  hashAfterChunk(hash: number): number {
    const span = two32 / 2 ** chunkDepth(this.#memory, this.chunkOf(hash));
    return (Math.floor(hash / span) + 1) * span;
  }

  #probe(chunk: number, from: number, hash: number): number {
    const memory = this.#memory;
    let slot = from;
    while (memory.word(slot) !== 0) {
      if (memory.word(slot + 1) === hash) return slot;
      slot = after(chunk, slot);
    }
    return 0;
  }

  #splitChunk(chunk: number, hash: number): boolean {
    const memory = this.#memory;
    const depth = chunkDepth(memory, chunk);
    if (depth === memory.word(control.directoryDepth) && !this.#doubleDirectory()) return false;
    const upper = this.#createChunk(depth + 1);
    if (upper === 0) return false;

    const slots = this.#split;
    slots.set(memory.words.subarray(chunk, chunk + chunkWords));
    clearChunk(memory, chunk, depth + 1);
    const upperBit = 0x8000_0000 >>> depth;
    for (let slot = 2; slot < chunkWords; slot += slotWords) {
      const at = slots[slot] ?? 0;
      const slotHash = slots[slot + 1] ?? 0;
      if (at !== 0) insertSlot(memory, (slotHash & upperBit) === 0 ? chunk : upper, slotHash, at);
    }
    this.#pointToUpper(hash, depth, upper);
    return true;
  }

  /** Lets the upper half of what pointed to the chunk of `hash` point to `upper`. */
  #pointToUpper(hash: number, depth: number, upper: number): void {
    const directoryDepth = this.#memory.word(control.directoryDepth);
    const pointers = 2 ** (directoryDepth - depth);
    const index = (hash >>> 1) >>> (31 - directoryDepth);
    const first = index - (index % pointers);
    for (let pointer = first + pointers / 2; pointer < first + pointers; pointer++) {
      this.#memory.setWord(this.#directoryAt + pointer, upper);
    }
  }

  #doubleDirectory(): boolean {
    const memory = this.#memory;
    const depth = memory.word(control.directoryDepth);
    if (depth === this.#pool.geometry.directoryMaxDepth) return false;
    for (let pointer = 2 ** depth - 1; pointer >= 0; pointer--) {
      const chunk = memory.word(this.#directoryAt + pointer);
      memory.setWord(this.#directoryAt + 2 * pointer, chunk);
      memory.setWord(this.#directoryAt + 2 * pointer + 1, chunk);
    }
    memory.setWord(control.directoryDepth, depth + 1);
    return true;
  }

  /** An empty chunk; 0: there is no memory for one. */
  #createChunk(depth: number): number {
    const memory = this.#memory;
    if (memory.word(control.chunksLeft) === 0) {
      if (this.#pool.freeCount <= moveSegments) return 0;
      memory.setWord(control.chunkNextByte, this.#pool.byteOf(this.#pool.take()));
      memory.setWord(control.chunksLeft, this.#pool.geometry.segmentBytes / chunkBytes);
      memory.addToWord(control.indexSegments, 1);
    }
    const chunk = memory.word(control.chunkNextByte) / 4;
    memory.addToWord(control.chunkNextByte, chunkBytes);
    memory.addToWord(control.chunksLeft, -1);
    clearChunk(memory, chunk, depth);
    return chunk;
  }
}

function clearChunk(memory: Memory, chunk: number, depth: number): void {
  memory.words.fill(0, chunk, chunk + chunkWords);
  memory.setWord(chunk + 1, depth);
}

function insertSlot(memory: Memory, chunk: number, hash: number, at: number): void {
  let slot = chunk + 2 + homeOf(hash) * slotWords;
  while (memory.word(slot) !== 0) slot = after(chunk, slot);
  memory.setWord(slot, at);
  memory.setWord(slot + 1, hash);
  memory.addToWord(chunk, 1);
}

/** Where in its chunk a hash is looked for first: by the lower bits, which the directory does not use. */
export function homeOf(hash: number): number {
  return ((hash & 0xffff) * slotsPerChunk) >>> 16;
}

function after(chunk: number, slot: number): number {
  const next = slot + slotWords;
  return next === chunk + chunkWords ? chunk + 2 : next;
}

/** Whether `home` lies after `hole` and up to `probe`, going around. */
function isBetween(hole: number, home: number, probe: number): boolean {
  return hole <= probe ? hole < home && home <= probe : hole < home || home <= probe;
}

/**
 * One chunk of the index: a small open-addressing table with linear probing.
 *
 *   word 0   the number of its entries
 *   word 1   its depth (5 bits), and its prefix: the upper `depth` bits of all its hashes
 *   word 2…  slots of two words: the word of the entry in the log, 0 in an empty slot; and its mixed hash
 */
import { CHUNK_BYTES } from "./geometry.ts";
import type { Memory } from "./memory.ts";

export const CHUNK_WORDS = CHUNK_BYTES / 4;
export const SLOT_WORDS = 2;
export const SLOTS_PER_CHUNK = CHUNK_WORDS / SLOT_WORDS - 1;

const DEPTH_BITS = 5;

export const chunkCount = (memory: Memory, chunk: number): number => memory.word(chunk);
export const chunkDepth = (memory: Memory, chunk: number): number =>
  memory.word(chunk + 1) & ((1 << DEPTH_BITS) - 1);
export const chunkPrefix = (memory: Memory, chunk: number): number => memory.word(chunk + 1) >>> DEPTH_BITS;

export function setDepthAndPrefix(memory: Memory, chunk: number, depth: number, prefix: number): void {
  memory.setWord(chunk + 1, depth | (prefix << DEPTH_BITS));
}

export function clearChunk(memory: Memory, chunk: number): void {
  memory.words.fill(0, chunk, chunk + CHUNK_WORDS);
}

/** The first slot to probe for a hash, by its lower bits, which the directory does not use. */
export function homeOf(hash: number): number {
  return ((hash & 0xffff) * SLOTS_PER_CHUNK) >>> 16;
}

/** The word of the first slot with this hash; 0: none. */
export function firstSlot(memory: Memory, chunk: number, hash: number): number {
  return probe(memory, chunk, homeSlot(chunk, hash), hash);
}

/** The next slot with this hash. */
export function nextSlot(memory: Memory, chunk: number, slot: number, hash: number): number {
  return probe(memory, chunk, after(chunk, slot), hash);
}

export function insertSlot(memory: Memory, chunk: number, hash: number, at: number): void {
  let slot = homeSlot(chunk, hash);
  while (memory.word(slot) !== 0) slot = after(chunk, slot);
  memory.setWord(slot, at);
  memory.setWord(slot + 1, hash);
  memory.addToWord(chunk, 1);
}

/** Empties a slot, and moves the slots that were probed past it (Knuth, TAOCP 6.4, algorithm R). */
export function removeSlot(memory: Memory, chunk: number, slot: number): void {
  let hole = slot;
  let next = after(chunk, slot);
  while (memory.word(next) !== 0) {
    if (!isBetween(hole, homeSlot(chunk, memory.word(next + 1)), next)) {
      memory.setWord(hole, memory.word(next));
      memory.setWord(hole + 1, memory.word(next + 1));
      hole = next;
    }
    next = after(chunk, next);
  }
  memory.setWord(hole, 0);
  memory.addToWord(chunk, -1);
}

function probe(memory: Memory, chunk: number, from: number, hash: number): number {
  let slot = from;
  while (memory.word(slot) !== 0) {
    if (memory.word(slot + 1) === hash) return slot;
    slot = after(chunk, slot);
  }
  return 0;
}

function homeSlot(chunk: number, hash: number): number {
  return chunk + SLOT_WORDS + homeOf(hash) * SLOT_WORDS;
}

function after(chunk: number, slot: number): number {
  const next = slot + SLOT_WORDS;
  return next === chunk + CHUNK_WORDS ? chunk + SLOT_WORDS : next;
}

/** `home` is after `hole` and not after `next`, around the end of the chunk. */
function isBetween(hole: number, home: number, next: number): boolean {
  return hole <= next ? hole < home && home <= next : hole < home || home <= next;
}

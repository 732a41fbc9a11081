/**
 * One chunk of the index: a small open-addressing table with linear probing.
 *
 *   word 0   how many entries it has
 *   word 1   its depth (5 bits), and its prefix: the upper `depth` bits, which all its hashes share
 *   word 2…  slots of two words: where the entry is in the log, 0 in an empty slot, and its mixed hash
 */
import { chunkBytes } from "./geometry.ts";
import type { Memory } from "./memory.ts";

export const chunkWords = chunkBytes / 4;
export const slotWords = 2;
export const slotsPerChunk = chunkWords / slotWords - 1;

const depthBits = 5;

export const chunkCount = (memory: Memory, chunk: number): number => memory.word(chunk);
export const chunkDepth = (memory: Memory, chunk: number): number =>
  memory.word(chunk + 1) & ((1 << depthBits) - 1);
export const chunkPrefix = (memory: Memory, chunk: number): number => memory.word(chunk + 1) >>> depthBits;

export function setDepthAndPrefix(memory: Memory, chunk: number, depth: number, prefix: number): void {
  memory.setWord(chunk + 1, depth | (prefix << depthBits));
}

export function clearChunk(memory: Memory, chunk: number): void {
  memory.words.fill(0, chunk, chunk + chunkWords);
}

/** Which slot of its chunk a hash is looked for in first: by the lower bits, which the directory does not use. */
export function homeOf(hash: number): number {
  return ((hash & 0xffff) * slotsPerChunk) >>> 16;
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

/** Empties a slot, and moves what was probed past it. (Knuth, TAOCP 6.4, algorithm R.) */
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
  return chunk + slotWords + homeOf(hash) * slotWords;
}

function after(chunk: number, slot: number): number {
  const next = slot + slotWords;
  return next === chunk + chunkWords ? chunk + slotWords : next;
}

/** Whether `home` lies after `hole` and up to `next`, going around. */
function isBetween(hole: number, home: number, next: number): boolean {
  return hole <= next ? hole < home && home <= next : hole < home || home <= next;
}

/** A table as bytes: the parts of its buffer, and what else changes when they come into a buffer for another budget. */
import { fixedPartOf, type MemoryPart, partOf } from "../../shm/memory-part.ts";
import { type Geometry, resolveGeometry } from "./geometry.ts";
import { CHUNK_WORDS, chunkDepth, SLOT_WORDS } from "./index-chunk.ts";
import { CONTROL, Memory } from "./memory.ts";
import { MOVE_SEGMENTS, SegmentPool } from "./segment-pool.ts";

/** The parts of a table's buffer. In the ghosts, which are placed by the budget, is nothing that a table needs. */
export function tableParts(buffer: SharedArrayBuffer, budgetBytes: number): MemoryPart[] {
  const geometry = resolveGeometry(budgetBytes);
  const { directoryAtWord, directoryMaxDepth, linksAtWord, ghostsAtWord } = geometry;
  const { segmentsAtByte, segmentBytes, segmentCount } = geometry;
  const memory = new Memory(buffer);
  const { words, bytes } = memory;
  const touched = memory.word(CONTROL.segmentsTouched);
  const segments = bytes.subarray(segmentsAtByte, segmentsAtByte + segmentCount * segmentBytes);
  const ghosts = words.subarray(ghostsAtWord, Math.floor(segmentsAtByte / 4));
  return [
    partOf(words.subarray(0, directoryAtWord), 1, directoryAtWord),
    partOf(
      words.subarray(directoryAtWord, directoryAtWord + 2 ** directoryMaxDepth),
      2 ** memory.word(CONTROL.directoryDepth),
    ),
    partOf(words.subarray(linksAtWord, ghostsAtWord), touched + 1),
    fixedPartOf(ghosts),
    partOf(segments, touched, segmentBytes),
  ];
}

/** Corrects what points into the segments, which came from a buffer for `formerBudgetBytes`. */
export function moveTable(buffer: SharedArrayBuffer, budgetBytes: number, formerBudgetBytes: number): void {
  const geometry = resolveGeometry(budgetBytes);
  const byWords = (geometry.segmentsAtByte - resolveGeometry(formerBudgetBytes).segmentsAtByte) / 4;
  if (byWords !== 0) movePointers(new Memory(buffer), geometry, byWords);
}

/** There is memory left to move entries in, without which a table can reclaim none. */
export function hasRoomToMove(buffer: SharedArrayBuffer, budgetBytes: number): boolean {
  return new SegmentPool(new Memory(buffer), resolveGeometry(budgetBytes)).freeCount >= MOVE_SEGMENTS;
}

function movePointers(memory: Memory, { directoryAtWord }: Geometry, byWords: number): void {
  const depth = memory.word(CONTROL.directoryDepth);
  const end = directoryAtWord + 2 ** depth;
  for (let at = directoryAtWord; at < end; at++) memory.addToWord(at, byWords);
  // Several pointers lead to a chunk of less depth.
  for (let at = directoryAtWord; at < end; at += 2 ** (depth - chunkDepth(memory, memory.word(at)))) {
    moveSlots(memory, memory.word(at), byWords);
  }
}

function moveSlots(memory: Memory, chunk: number, byWords: number): void {
  for (let slot = chunk + SLOT_WORDS; slot < chunk + CHUNK_WORDS; slot += SLOT_WORDS) {
    if (memory.word(slot) !== 0) memory.addToWord(slot, byWords);
  }
}

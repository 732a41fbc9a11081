/**
 * The layout of the one buffer of a table, computed from the byte budget.
 *
 *   control block | directory of the index | links of the segments | ghosts | segment 1 | segment 2 | …
 *
 * The index and the two rings share the memory by segments. Pages that were never written to cost no resident memory,
 * so the whole buffer is allocated at once.
 */
import { fieldInvalid } from "../../../common/errors.ts";

export const BUDGET_MIN_BYTES = 65_536;
/** Every position fits into a signed 32-bit number. For more memory, use more shards. */
export const BUDGET_MAX_BYTES = 2 ** 31 - 65_536;

/** Words of 32 bits for the control block. */
const CONTROL_WORDS = 64;
/** The size of one chunk of the index, and of the smallest segment. */
export const CHUNK_BYTES = 4_096;

const SEGMENT_MAX_BYTES = 16_384;
/** At least so much memory for each chunk of the index, its entries included. It bounds the directory. */
const BYTES_PER_CHUNK_MIN = 4_096;
/** One ghost of 4 bytes for so much budget: with entries of 160 bytes, about as many ghosts as entries. */
const BYTES_PER_GHOST = 192;
export const GHOSTS_PER_BUCKET = 8;

export interface Geometry {
  readonly bufferBytes: number;
  readonly directoryAtWord: number;
  /** The directory has room for 2 to the power of this number of pointers. */
  readonly directoryMaxDepth: number;
  readonly linksAtWord: number;
  readonly ghostsAtWord: number;
  readonly ghostBuckets: number;
  readonly segmentsAtByte: number;
  readonly segmentBytes: number;
  readonly segmentShift: number;
  /** Segments are numbered from 1; 0 is none. */
  readonly segmentCount: number;
}

/** Throws FIELD_INVALID for a budget below `BUDGET_MIN_BYTES` or above `BUDGET_MAX_BYTES`. */
export function resolveGeometry(budgetBytes: number): Geometry {
  if (!Number.isInteger(budgetBytes) || budgetBytes < BUDGET_MIN_BYTES || budgetBytes > BUDGET_MAX_BYTES) {
    throw fieldInvalid("budgetBytes", `${BUDGET_MIN_BYTES} to ${BUDGET_MAX_BYTES} bytes a shard`);
  }
  // Small segments: the small ring, a tenth of the budget, must have many, since memory moves between rings by segments.
  const segmentShift = Math.min(
    Math.log2(SEGMENT_MAX_BYTES),
    Math.max(Math.log2(CHUNK_BYTES), Math.floor(Math.log2(budgetBytes / 256))),
  );
  const segmentBytes = 2 ** segmentShift;
  const directoryMaxDepth = Math.ceil(Math.log2(budgetBytes / BYTES_PER_CHUNK_MIN));
  const ghostBuckets = Math.floor(budgetBytes / BYTES_PER_GHOST / GHOSTS_PER_BUCKET);

  const directoryAtWord = CONTROL_WORDS;
  const linksAtWord = directoryAtWord + 2 ** directoryMaxDepth;
  const ghostsAtWord = linksAtWord + 1 + Math.floor(budgetBytes / segmentBytes);
  const fixedWords = ghostsAtWord + ghostBuckets * GHOSTS_PER_BUCKET;
  const segmentsAtByte = Math.ceil((fixedWords * 4) / CHUNK_BYTES) * CHUNK_BYTES;
  const segmentCount = Math.floor((budgetBytes - segmentsAtByte) / segmentBytes);
  return {
    bufferBytes: segmentsAtByte + segmentCount * segmentBytes,
    directoryAtWord,
    directoryMaxDepth,
    linksAtWord,
    ghostsAtWord,
    ghostBuckets,
    segmentsAtByte,
    segmentBytes,
    segmentShift,
    segmentCount,
  };
}

/** The most bytes of an entry beside its value, with this budget: they lie in one segment. Throws as `resolveGeometry`. */
export function headMaxBytes(budgetBytes: number): number {
  return resolveGeometry(budgetBytes).segmentBytes;
}

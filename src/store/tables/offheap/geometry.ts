/**
 * Where everything lies in the one buffer of a table, computed once from the byte budget.
 *
 *   control block | directory of the index | links of the segments | ghosts | segment 1 | segment 2 | …
 *
 * Segments are the unit in which the index and the two rings share what is left of the budget. Memory that was
 * never written to costs no resident bytes, so the whole buffer is there from the start.
 */
import { fieldInvalid } from "../../../common/errors.ts";

export const BUDGET_MIN_BYTES = 65_536;
/** Every position fits a signed 32-bit number. More memory takes more shards. */
export const BUDGET_MAX_BYTES = 2 ** 31 - 65_536;

/** Words of 32 bits for the control block. */
const CONTROL_WORDS = 64;
/** One chunk of the index; the smallest segment. */
export const CHUNK_BYTES = 4_096;

const SEGMENT_MAX_BYTES = 16_384;
/** What the smallest entry takes, its share of the index included, and then some: bounds the directory. */
const BYTES_PER_CHUNK_MIN = 4_096;
/** A ghost costs 4 bytes: at 160 B an entry there is room for about as many ghosts as entries. */
const BYTES_PER_GHOST = 192;
export const GHOSTS_PER_BUCKET = 8;

export interface Geometry {
  readonly bufferBytes: number;
  readonly directoryAtWord: number;
  /** The directory has room for 2 to the power of this. */
  readonly directoryMaxDepth: number;
  readonly linksAtWord: number;
  readonly ghostsAtWord: number;
  readonly ghostBuckets: number;
  readonly segmentsAtByte: number;
  readonly segmentBytes: number;
  readonly segmentShift: number;
  /** Segments are numbered from 1: 0 says "none". */
  readonly segmentCount: number;
}

/** Throws FIELD_INVALID for a budget outside of `BUDGET_MIN_BYTES` to `BUDGET_MAX_BYTES`. */
export function resolveGeometry(budgetBytes: number): Geometry {
  if (!Number.isInteger(budgetBytes) || budgetBytes < BUDGET_MIN_BYTES || budgetBytes > BUDGET_MAX_BYTES) {
    throw fieldInvalid("budgetBytes", `${BUDGET_MIN_BYTES} to ${BUDGET_MAX_BYTES} bytes a shard`);
  }
  // Small enough that a ring of a tenth of the budget has many, since memory goes from ring to ring by them.
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

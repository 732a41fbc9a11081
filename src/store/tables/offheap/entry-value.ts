/** Reads and overwrites values in the log. A value may lie in several segments. */
import type { ValueMemory } from "../../api/value-arena.ts";
import { headBytesAt, valueBytesAt } from "./entry-header.ts";
import type { Memory } from "./memory.ts";
import type { SegmentPool } from "./segment-pool.ts";

/** Small values share a buffer: one of its own would cost more than the copy. */
const SLAB_BYTES = 8_192;
const SLAB_VALUE_MAX_BYTES = SLAB_BYTES / 4;
let slab = new ArrayBuffer(SLAB_BYTES);
let slabUsedBytes = 0;

/** A copy, in `arena` if there is one with room for it. */
export function readValue(
  memory: Memory,
  pool: SegmentPool,
  at: number,
  arena: ValueMemory | undefined,
): Uint8Array {
  const bytes = valueBytesAt(memory, at);
  const value = arena?.take(bytes) ?? allocate(bytes);
  let segment = pool.segmentOf(at * 4);
  let offset = pool.offsetOf(at * 4) + headBytesAt(memory, at);
  let done = 0;
  while (done < bytes) {
    const part = Math.min(bytes - done, pool.geometry.segmentBytes - offset);
    const from = pool.byteOf(segment) + offset;
    memory.copyBytes(from, from + part, value, done);
    done += part;
    segment = pool.next(segment);
    offset = 0;
  }
  return value;
}

/** Writes a value over one of the same length; the head before it is written already. */
export function overwriteValue(memory: Memory, pool: SegmentPool, at: number, value: Uint8Array): void {
  let segment = pool.segmentOf(at * 4);
  let offset = pool.offsetOf(at * 4) + headBytesAt(memory, at);
  let done = 0;
  while (done < value.length) {
    const part = Math.min(value.length - done, pool.geometry.segmentBytes - offset);
    memory.setBytes(pool.byteOf(segment) + offset, value, done, done + part);
    done += part;
    segment = pool.next(segment);
    offset = 0;
  }
}

/** New memory, with any content. */
function allocate(bytes: number): Uint8Array {
  if (bytes > SLAB_VALUE_MAX_BYTES) {
    const { buffer, byteOffset } = Buffer.allocUnsafeSlow(bytes);
    return new Uint8Array(buffer, byteOffset, bytes);
  }
  if (slabUsedBytes + bytes > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    slabUsedBytes = 0;
  }
  const value = new Uint8Array(slab, slabUsedBytes, bytes);
  slabUsedBytes += bytes;
  return value;
}

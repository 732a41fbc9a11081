/** The bytes of a value that is in the log already, which may lie in several segments. */
import { headBytesAt, valueBytesAt } from "./entry-header.ts";
import type { Memory } from "./memory.ts";
import type { SegmentPool } from "./segment-pool.ts";

/** A copy that is the caller's. */
export function readValue(memory: Memory, pool: SegmentPool, at: number): Buffer {
  const bytes = valueBytesAt(memory, at);
  const value = Buffer.allocUnsafe(bytes);
  let segment = pool.segmentOf(at * 4);
  let offset = pool.offsetOf(at * 4) + headBytesAt(memory, at);
  let done = 0;
  while (done < bytes) {
    const part = Math.min(bytes - done, pool.geometry.segmentBytes - offset);
    const from = pool.byteOf(segment) + offset;
    memory.bytes.copy(value, done, from, from + part);
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
    memory.bytes.set(value.subarray(done, done + part), pool.byteOf(segment) + offset);
    done += part;
    segment = pool.next(segment);
    offset = 0;
  }
}

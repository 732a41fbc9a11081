/**
 * Copies of small byte ranges, cut from slabs: a buffer for each would cost ten times as much as the copy. Who
 * keeps one copy keeps its slab.
 */

const SLAB_BYTES = 8_192;
const SLAB_COPY_MAX_BYTES = SLAB_BYTES / 8;
/** Up to here V8 keeps an array's bytes in the array. */
const INLINE_MAX_BYTES = 64;

/** Bytes that fill less of their buffer than this would keep too much of it from the collector. */
const KEPT_MIN_SHARE = 1 / 32;

let slab = new ArrayBuffer(SLAB_BYTES);
let usedBytes = 0;

/** Bytes that nobody else reads or writes. */
export function copyOf(bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length <= INLINE_MAX_BYTES || length > SLAB_COPY_MAX_BYTES) return new Uint8Array(bytes);
  if (usedBytes + length > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES);
    usedBytes = 0;
  }
  const copy = new Uint8Array(slab, usedBytes, length);
  copy.set(bytes);
  usedBytes += length;
  return copy;
}

/**
 * `bytes` themselves if they are large and a fair part of the memory that they lie in, else a copy: for bytes that
 * nobody else will write to. A large copy is memory outside of the heap, of which V8 bears little before it collects.
 */
export function keepOrCopy(bytes: Uint8Array): Uint8Array {
  const large = bytes.length > SLAB_COPY_MAX_BYTES;
  return large && bytes.length >= bytes.buffer.byteLength * KEPT_MIN_SHARE ? bytes : copyOf(bytes);
}

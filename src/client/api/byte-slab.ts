/**
 * Copies small byte ranges into slabs of 8 KiB: a buffer for each would cost ten times as much as the copy. One copy that
 * is kept keeps its whole slab alive.
 */

const SLAB_BYTES = 8_192;
const SLAB_COPY_MAX_BYTES = SLAB_BYTES / 8;
/** Up to this size V8 keeps the bytes of a typed array inside of the object. */
const INLINE_MAX_BYTES = 64;

/** Bytes that fill less of their buffer than this are copied: kept, they would keep too much unused memory alive. */
const KEPT_MIN_SHARE = 1 / 32;

let slab = new ArrayBuffer(SLAB_BYTES);
let usedBytes = 0;

/** A copy that nobody else reads or writes. */
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
 * `bytes` themselves if they are large and fill a fair part of their buffer, else a copy. For bytes that nobody else will
 * write to. Large copies are worth avoiding: they are memory outside of the heap, which makes V8 collect early.
 */
export function keepOrCopy(bytes: Uint8Array): Uint8Array {
  const large = bytes.length > SLAB_COPY_MAX_BYTES;
  return large && bytes.length >= bytes.buffer.byteLength * KEPT_MIN_SHARE ? bytes : copyOf(bytes);
}

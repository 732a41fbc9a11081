/** A part of a `SharedArrayBuffer`: where one structure that the threads of a server share has its bytes. */

/** Of a cache line, so that no two regions share one; a multiple of every element's size. */
const ALIGNMENT_BYTES = 64;

/** All zero when new, which every structure takes for "empty". */
export interface Region {
  readonly buffer: SharedArrayBuffer;
  /** In bytes, a multiple of 64. */
  readonly begin: number;
  readonly bytes: number;
}

/**
 * Below 32 MiB the C library may give memory that was used before, and write its zeros into all of it at once.
 * From there on it always maps new memory.
 */
const MAPPED_MIN_BYTES = 32 * 1024 * 1024 + 4_096;
/** So little is not worth a mapping. */
const UNMAPPED_MAX_BYTES = 65_536;

/** At least so many bytes. What is never written to costs no resident bytes. */
export function createBuffer(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes <= UNMAPPED_MAX_BYTES ? bytes : Math.max(bytes, MAPPED_MIN_BYTES));
}

/** A region with a buffer of its own. */
export function createRegion(bytes: number): Region {
  return { buffer: createBuffer(bytes), begin: 0, bytes };
}

/** What a region of this size takes of a buffer. */
export function alignedBytes(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/**
 * Cuts a buffer, from a multiple of 64 on, into regions, one after the other: the same cuts give the same regions
 * in every thread.
 */
export function createCutter(buffer: SharedArrayBuffer, firstByte = 0): (bytes: number) => Region {
  let end = firstByte;
  return (bytes) => {
    const begin = end;
    end += alignedBytes(bytes);
    if (end > buffer.byteLength) throw new RangeError("the buffer is too small for its regions");
    return { buffer, begin, bytes };
  };
}

/** Regions: parts of a `SharedArrayBuffer`, each the memory of one structure that the threads of a server share. */

/** A cache line, so that no two regions share one. A multiple of the size of every typed array's element. */
const ALIGNMENT_BYTES = 64;

/** New memory is all zero, which is the empty state of every structure. */
export interface Region {
  readonly buffer: SharedArrayBuffer;
  /** In bytes, a multiple of 64. */
  readonly begin: number;
  readonly bytes: number;
}

/**
 * For less than 32 MiB the C library may reuse memory, and then writes zeros into all of it: all of it becomes
 * resident. From this size on it maps new memory, which becomes resident page by page as it is written to.
 */
const MAPPED_MIN_BYTES = 32 * 1024 * 1024 + 4_096;
/** Smaller buffers are not worth a mapping. */
const UNMAPPED_MAX_BYTES = 65_536;

/** A buffer of at least so many bytes. Pages that are never written to cost no resident memory. */
export function createBuffer(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes <= UNMAPPED_MAX_BYTES ? bytes : Math.max(bytes, MAPPED_MIN_BYTES));
}

/** A region that has a buffer of its own. */
export function createRegion(bytes: number): Region {
  return { buffer: createBuffer(bytes), begin: 0, bytes };
}

/** How much of a buffer a region of this size takes. */
export function alignedBytes(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

/**
 * Cuts a buffer into regions, one after the other, from `firstByte` on, a multiple of 64. The same cuts give the same
 * regions in every thread. Throws a RangeError when the buffer is too small.
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

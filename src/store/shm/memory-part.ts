/** Parts of the memory of a structure: what of it is in use, for whoever copies the structure as bytes. */
import type { Region } from "./region.ts";

/**
 * Elements of equal size, from the beginning of a region. The same elements at the beginning of a larger region mean the
 * same: so a structure is copied into one with room for more.
 */
export interface MemoryPart {
  /** All that the elements may take. */
  readonly region: Region;
  /** Elements that mean something. The memory behind them is zero, or may have any content. */
  readonly count: number;
  readonly elementBytes: number;
  /** The elements are placed by the size of the region: in one of another size they mean nothing, and are made anew. */
  readonly isFixed: boolean;
}

type SharedView = Float64Array | Uint32Array | Uint16Array | Int16Array | Uint8Array;

/** The first `count` elements of an array, each of so many numbers. */
export function partOf(view: SharedView, count: number, numbers = 1): MemoryPart {
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT } = view;
  if (!(buffer instanceof SharedArrayBuffer)) throw new TypeError("a part lies in shared memory");
  const region = { buffer, begin: byteOffset, bytes: byteLength };
  return { region, count, elementBytes: numbers * BYTES_PER_ELEMENT, isFixed: false };
}

/** All of an array, for elements that are placed by its size. */
export function fixedPartOf(view: SharedView): MemoryPart {
  return { ...partOf(view, view.length), isFixed: true };
}

/** Makes the elements those of new memory, which is all zero. */
export function clearPart({ region, count, elementBytes, isFixed }: MemoryPart): void {
  const bytes = isFixed ? region.bytes : count * elementBytes;
  new Uint8Array(region.buffer, region.begin, bytes).fill(0);
}

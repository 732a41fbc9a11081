/** Numbers of eight bytes in a region, also fractions and infinities. */
import { type MemoryPart, partOf } from "./memory-part.ts";
import type { Region } from "./region.ts";

export function cellsBytes(count: number): number {
  return count * Float64Array.BYTES_PER_ELEMENT;
}

export class Cells {
  readonly #cells: Float64Array;

  constructor({ buffer, begin, bytes }: Region) {
    this.#cells = new Float64Array(buffer, begin, Math.floor(bytes / Float64Array.BYTES_PER_ELEMENT));
  }

  get(at: number): number {
    return this.#cells[at] ?? 0;
  }

  set(at: number, value: number): void {
    this.#cells[at] = value;
  }

  /** The first `count` elements of so many cells. */
  part(count: number, cells: number): MemoryPart {
    return partOf(this.#cells, count, cells);
  }
}

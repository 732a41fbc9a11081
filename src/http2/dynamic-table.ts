/** The dynamic table of a reader of header blocks (RFC 7541, sections 2.3.2 and 4): a ring of the newest fields. */
import { type HeaderField, PAIR_BYTES } from "./hpack.ts";

export class DynamicTable {
  /** As many as there can be, since a field counts 32 bytes or more. */
  readonly #ring: (HeaderField | undefined)[];
  /** Where the next field goes. */
  #head = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;

  /** `maxBytes`: what its fields may count together, now and after each `resize`. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#ring = new Array<HeaderField | undefined>(Math.floor(maxBytes / PAIR_BYTES)).fill(undefined);
  }

  /** 0 is the newest field. */
  at(index: number): HeaderField | undefined {
    if (index >= this.#count) return undefined;
    const place = this.#head - 1 - index;
    return this.#ring[place < 0 ? place + this.#ring.length : place];
  }

  /** The oldest fields make room. One that is larger than the table empties it, and is not added. */
  add(field: HeaderField): void {
    const bytes = countedBytes(field);
    this.#evictTo(this.#maxBytes - bytes);
    if (bytes > this.#maxBytes) return;
    this.#ring[this.#head] = field;
    this.#head = this.#head + 1 === this.#ring.length ? 0 : this.#head + 1;
    this.#count += 1;
    this.#bytes += bytes;
  }

  /** `maxBytes`: at most that of the constructor. */
  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  #evictTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const place = this.#head - this.#count;
      const oldest = place < 0 ? place + this.#ring.length : place;
      const field = this.#ring[oldest];
      if (field !== undefined) this.#bytes -= countedBytes(field);
      this.#ring[oldest] = undefined;
      this.#count -= 1;
    }
  }
}

/** Also what a field counts in a list of headers. */
export function countedBytes([name, value]: HeaderField): number {
  return name.length + value.length + PAIR_BYTES;
}

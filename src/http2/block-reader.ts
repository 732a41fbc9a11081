/** Reads the integers and texts of a header block (RFC 7541, section 5). */
import { Buffer } from "node:buffer";
import { decodeHuffman } from "./huffman.ts";

/** Of an integer, behind its first byte. They hold 28 bits: more than any length or index may have. */
const MORE_BYTES_MAX = 4;

export class BlockReader {
  readonly #block: Buffer;
  #at = 0;

  constructor(block: Uint8Array) {
    this.#block = Buffer.isBuffer(block)
      ? block
      : Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  }

  get atEnd(): boolean {
    return this.#at >= this.#block.length;
  }

  /** The byte that is read next; 0 at the end. */
  get next(): number {
    return this.#block[this.#at] ?? 0;
  }

  /** `mask`: the bits of the first byte that belong to the integer. All ones: more bytes follow. */
  integer(mask: number): number | undefined {
    let value = (this.#block[this.#at++] ?? 0) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 7 * MORE_BYTES_MAX; shift += 7) {
      const byte = this.#block[this.#at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  text(): string | undefined {
    const isCoded = this.next >= 0x80;
    const length = this.integer(0x7f);
    if (length === undefined || this.#at + length > this.#block.length) return undefined;
    const from = this.#at;
    this.#at += length;
    return isCoded
      ? decodeHuffman(this.#block.subarray(from, this.#at))
      : this.#block.toString("latin1", from, this.#at);
  }
}

/** Writes one operation of a call: numbers as the library reads them, big endian, and texts behind their lengths. */
import { UTF8_MAX_BYTES_PER_UNIT } from "../../common/utf8.ts";

const NUMBER_BYTES = 6;

export class OperationWriter {
  readonly #bytes: Buffer;
  #at = 0;

  /** `textUnits`: of all texts together, in UTF-16; `otherBytes`: of all else, lengths included. */
  constructor(textUnits: number, otherBytes: number) {
    this.#bytes = Buffer.allocUnsafe(textUnits * UTF8_MAX_BYTES_PER_UNIT + otherBytes);
  }

  /** The operation. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  get length(): number {
    return this.#at;
  }

  byte(value: number): this {
    this.#at = this.#bytes.writeUInt8(value, this.#at);
    return this;
  }

  /** Of three bytes, at a place that was left for it. */
  lengthAt(at: number, value: number): this {
    this.#bytes.writeUIntBE(value, at, 3);
    return this;
  }

  skip(bytes: number): this {
    this.#at += bytes;
    return this;
  }

  /** A whole number below 2^48. */
  number(value: number): this {
    this.#at = this.#bytes.writeUIntBE(value, this.#at, NUMBER_BYTES);
    return this;
  }

  uint64(value: bigint): this {
    this.#at = this.#bytes.writeBigUInt64BE(value, this.#at);
    return this;
  }

  raw(value: Uint8Array): this {
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  /** At most 255 bytes. */
  short(text: string): this {
    const length = this.#bytes.write(text, this.#at + 1);
    this.#bytes.writeUInt8(length, this.#at);
    this.#at += 1 + length;
    return this;
  }

  /** At most 65,535 bytes. */
  long(text: string): this {
    const length = this.#bytes.write(text, this.#at + 2);
    this.#bytes.writeUInt16BE(length, this.#at);
    this.#at += 2 + length;
    return this;
  }
}

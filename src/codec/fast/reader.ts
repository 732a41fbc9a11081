/**
 * Reads the protobuf wire format where it is plain, without an object for each field.
 *
 * Plain is what encoders write: known wire types, varints no longer than they need to be for their range,
 * valid UTF-8, no groups. Anything else throws `irregular`, and the caller decodes with the generated codec,
 * whose answer is the right one by definition.
 */

import { Buffer } from "node:buffer";
import { NO_BUFFER } from "../../common/bytes.ts";

/** Says "decode this with the generated codec". Thrown without a stack: it is no error. */
export const irregular: unique symbol = Symbol("irregular");

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class WireReader {
  #bytes: Buffer = NO_BUFFER;
  /** Where the next byte is read. */
  position = 0;
  /** Where the message being read ends. */
  end = 0;
  /** The namespace and the epoch of one message are those of the next, nearly always. */
  #recentText = "";
  #recentFixed64 = 0n;
  #recentFixed64Low = 0;
  #recentFixed64High = 0;

  reset(bytes: Uint8Array): void {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = 0;
    this.end = bytes.byteLength;
  }

  /** Lets go of the bytes that were read. */
  release(): void {
    this.reset(NO_BUFFER);
  }

  /** A tag: field number and wire type, as `(field << 3) | wireType`. */
  tag(): number {
    const tag = this.uint32();
    if (tag < 8) throw irregular;
    return tag;
  }

  uint32(): number {
    let byte = this.#byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    byte = this.#byte();
    if (byte > 0x0f) throw irregular;
    return value + byte * 0x1000_0000;
  }

  /** One of an enum's values, which are numbered as they stand here. */
  enumValue<Value>(values: readonly Value[]): Value {
    const value = values[this.uint32()];
    if (value === undefined) throw irregular;
    return value;
  }

  bool(): boolean {
    const byte = this.#byte();
    if (byte > 1) throw irregular;
    return byte === 1;
  }

  uint64(): bigint {
    let byte = this.#byte();
    if (byte < 0x80) return BigInt(byte);
    let low = byte & 0x7f;
    for (let shift = 7; shift < 28; shift += 7) {
      byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
    }
    let high = 0;
    let scale = 1;
    for (let read = 0; read < 3; read++) {
      byte = this.#byte();
      high += (byte & 0x7f) * scale;
      if (byte < 0x80) return BigInt(high * 0x1000_0000 + low);
      scale *= 0x80;
    }
    return this.#uint64Tail(low, high);
  }

  fixed64(): bigint {
    const at = this.position;
    if (at + 8 > this.end) throw irregular;
    this.position = at + 8;
    const low = this.#bytes.readUInt32LE(at);
    const high = this.#bytes.readUInt32LE(at + 4);
    if (low !== this.#recentFixed64Low || high !== this.#recentFixed64High) {
      this.#recentFixed64Low = low;
      this.#recentFixed64High = high;
      this.#recentFixed64 = this.#bytes.readBigUInt64LE(at);
    }
    return this.#recentFixed64;
  }

  /** Where the length-delimited field that begins here ends. */
  delimited(): number {
    const length = this.uint32();
    const fieldEnd = this.position + length;
    if (fieldEnd > this.end) throw irregular;
    return fieldEnd;
  }

  /** Narrows the reader to the nested message that begins here; give what this returns to `leave`. */
  enter(): number {
    const outerEnd = this.end;
    this.end = this.delimited();
    return outerEnd;
  }

  leave(outerEnd: number): void {
    this.end = outerEnd;
  }

  /** A view, not a copy, and of the plain kind that generated messages hold. */
  bytes(): Uint8Array {
    const fieldEnd = this.delimited();
    const from = this.position;
    this.position = fieldEnd;
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + from, fieldEnd - from);
  }

  string(): string {
    const fieldEnd = this.delimited();
    const from = this.position;
    this.position = fieldEnd;
    return this.#text(from, fieldEnd);
  }

  /** As `string`, for text that was most likely the same the last time. */
  recurringString(): string {
    const fieldEnd = this.delimited();
    const from = this.position;
    this.position = fieldEnd;
    if (fieldEnd - from !== this.#recentText.length || !this.#isRecent(from)) {
      this.#recentText = this.#text(from, fieldEnd);
    }
    return this.#recentText;
  }

  /**
   * Passes over a field that this version of the contract does not know: one numbered above `knownMax`. One
   * that it knows is here only for a wire type that is not the field's own.
   */
  skip(tag: number, knownMax: number): void {
    if (tag >>> 3 <= knownMax) throw irregular;
    switch (tag & 7) {
      case VARINT:
        this.uint64();
        return;
      case FIXED64:
        this.#advance(8);
        return;
      case LENGTH_DELIMITED:
        this.position = this.delimited();
        return;
      case FIXED32:
        this.#advance(4);
        return;
      default:
        throw irregular;
    }
  }

  #advance(count: number): void {
    this.position += count;
    if (this.position > this.end) throw irregular;
  }

  #byte(): number {
    if (this.position >= this.end) throw irregular;
    return this.#at(this.position++);
  }

  #at(position: number): number {
    return this.#bytes[position] ?? 0;
  }

  /** From the fifty-sixth bit on. */
  #uint64Tail(low: number, high: number): bigint {
    let tail = 0n;
    for (let read = 0; read < 3; read++) {
      const byte = this.#byte();
      tail |= BigInt(byte & 0x7f) << BigInt(7 * read);
      if (byte >= 0x80) continue;
      if (tail > 0x7fffn) throw irregular;
      return BigInt.asUintN(64, (tail << 49n) | (BigInt(high) << 28n) | BigInt(low));
    }
    throw irregular;
  }

  #isRecent(from: number): boolean {
    const text = this.#recentText;
    for (let at = 0; at < text.length; at++) {
      if (text.charCodeAt(at) !== this.#bytes[from + at]) return false;
    }
    return true;
  }

  #text(from: number, to: number): string {
    let bits = 0;
    for (let at = from; at < to; at++) bits |= this.#at(at);
    if (bits < 0x80) return this.#bytes.toString("latin1", from, to);
    try {
      return strictUtf8.decode(this.#bytes.subarray(from, to));
    } catch {
      throw irregular;
    }
  }
}

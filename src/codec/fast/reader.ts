/**
 * Reads the protobuf wire format as encoders write it, without an object for each field: known wire types, varints no
 * longer than their type allows, valid UTF-8, no groups. For anything else it throws `IRREGULAR`, and the caller
 * decodes the message again with the generated codec, which is right by definition.
 */

import { Buffer } from "node:buffer";
import { NO_BUFFER } from "../../common/bytes.ts";
import { FIXED32, FIXED64, LENGTH_DELIMITED, VARINT } from "./wire-format.ts";

/** Thrown for "decode this with the generated codec". A symbol, since a stack would cost and nobody would read it. */
export const IRREGULAR: unique symbol = Symbol("irregular");

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class WireReader {
  #bytes: Buffer = NO_BUFFER;
  /** The index of the next byte. */
  position = 0;
  /** The end of the message that is being read. */
  end = 0;
  /** The last namespace and epoch: consecutive messages have nearly always the same. */
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

  /** Drops its reference to the bytes. */
  release(): void {
    this.reset(NO_BUFFER);
  }

  /** A tag: field number and wire type, as `(field << 3) | wireType`. */
  tag(): number {
    const tag = this.uint32();
    if (tag < 8) throw IRREGULAR;
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
    if (byte > 0x0f) throw IRREGULAR;
    return value + byte * 0x1000_0000;
  }

  /** The value of an enum: `values` holds them at the index of their number. */
  enumValue<Value>(values: readonly Value[]): Value {
    const value = values[this.uint32()];
    if (value === undefined) throw IRREGULAR;
    return value;
  }

  bool(): boolean {
    const byte = this.#byte();
    if (byte > 1) throw IRREGULAR;
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

  /** A signed integer, as its zigzag form: 0, -1, 1, -2 are 0, 1, 2, 3. */
  sint64(): bigint {
    const first = this.position < this.end ? this.#at(this.position) : 0x80;
    if (first < 0x80) {
      this.position++;
      return BigInt((first >>> 1) ^ -(first & 1));
    }
    const zigzag = this.uint64();
    return (zigzag & 1n) === 0n ? zigzag >> 1n : -(zigzag >> 1n) - 1n;
  }

  fixed64(): bigint {
    const at = this.position;
    if (at + 8 > this.end) throw IRREGULAR;
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

  /** Reads the length of a length-delimited field, and returns where the field ends. */
  delimited(): number {
    const length = this.uint32();
    const fieldEnd = this.position + length;
    if (fieldEnd > this.end) throw IRREGULAR;
    return fieldEnd;
  }

  /** Narrows the reader to the nested message that begins here. Pass the result to `leave` after its fields. */
  enter(): number {
    const outerEnd = this.end;
    this.end = this.delimited();
    return outerEnd;
  }

  leave(outerEnd: number): void {
    this.end = outerEnd;
  }

  /** A view of the bytes, not a copy: a plain Uint8Array, as in generated messages. */
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

  /** As `string`, for a field that probably has the same text as the last time: then no new string is made. */
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
   * Skips a field that this version of the contract does not know: its number is above `knownMax`. A known field only
   * comes here with a wrong wire type, which is irregular.
   */
  skip(tag: number, knownMax: number): void {
    if (tag >>> 3 <= knownMax) throw IRREGULAR;
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
        throw IRREGULAR;
    }
  }

  #advance(count: number): void {
    this.position += count;
    if (this.position > this.end) throw IRREGULAR;
  }

  #byte(): number {
    if (this.position >= this.end) throw IRREGULAR;
    return this.#at(this.position++);
  }

  #at(position: number): number {
    return this.#bytes[position] ?? 0;
  }

  /** The rest of a varint of more than seven bytes, which are in `low` (28 bits) and `high` (21 bits). */
  #uint64Tail(low: number, high: number): bigint {
    let tail = 0n;
    for (let read = 0; read < 3; read++) {
      const byte = this.#byte();
      tail |= BigInt(byte & 0x7f) << BigInt(7 * read);
      if (byte >= 0x80) continue;
      if (tail > 0x7fffn) throw IRREGULAR;
      return BigInt.asUintN(64, (tail << 49n) | (BigInt(high) << 28n) | BigInt(low));
    }
    throw IRREGULAR;
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
      throw IRREGULAR;
    }
  }
}

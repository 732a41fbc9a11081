/**
 * Writes the protobuf wire format from the end to the beginning. The length of a nested message is then known when it
 * must be written: nothing is measured beforehand, and the bytes are copied once.
 *
 * Callers therefore write the fields of a message in descending order. A field at its zero value is left out, as
 * proto3 demands; the `present*` methods write it all the same. Field numbers are below 2,048: a tag takes one byte, or
 * two from 16 on.
 */
import { Buffer } from "node:buffer";
import { GrpcFrame, PREFIX_BYTES, writePrefix } from "../framing/grpc-frame.ts";
import { returnMemory, takeMemory } from "../framing/message-memory.ts";
import { FIXED64, LENGTH_DELIMITED, VARINT, varintBytes } from "./wire-format.ts";

const START_BYTES = 64 * 1024;
/** A larger buffer of the writer is given back after a message that could not be written. */
const KEPT_MAX_BYTES = 4 * 1024 * 1024;
/**
 * A message that fills at least this share of the buffer of the writer is sent from there, without a copy. A smaller one
 * would keep too much memory until it is sent.
 */
const SENT_IN_PLACE_SHARE = 1 / 8;

/** Below it, a signed integer is exact as a number in its zigzag form too. */
const SINT_SMALL = 2n ** 51n;
const UINT64_MAX = 2n ** 64n - 1n;

export class WireWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(START_BYTES);
  #view: DataView = new DataView(this.#bytes.buffer);
  /** The index of the byte that was written last. */
  #at = this.#bytes.length;
  /** The last fixed64: consecutive stamps have nearly always the same epoch. */
  #recentFixed64 = 0n;
  #recentFixed64Low = 0;
  #recentFixed64High = 0;

  /** The message as a copy, which the caller owns. The writer starts the next message. */
  finish(): Buffer {
    const message = Buffer.allocUnsafe(this.#bytes.length - this.#at);
    this.#bytes.copy(message, 0, this.#at);
    this.reset();
    return message;
  }

  /** The message behind its gRPC prefix, to be sent. The writer starts the next message. */
  finishFrame(): GrpcFrame {
    const messageBytes = this.mark();
    this.#reserve(PREFIX_BYTES);
    this.#at -= PREFIX_BYTES;
    writePrefix(this.#bytes, this.#at, messageBytes);
    const frameBytes = this.mark();
    const memory = this.#bytes;
    // The next message is probably as large as this one.
    const nextBytes = Math.max(START_BYTES, frameBytes);
    if (frameBytes < memory.length * SENT_IN_PLACE_SHARE) {
      const bytes = Buffer.allocUnsafe(frameBytes);
      memory.copy(bytes, 0, this.#at);
      if (memory.length > 2 * nextBytes) {
        returnMemory(memory);
        this.#use(takeMemory(nextBytes));
      }
      this.#at = this.#bytes.length;
      return new GrpcFrame(bytes);
    }
    const frame = new GrpcFrame(memory.subarray(this.#at), memory);
    this.#use(takeMemory(nextBytes));
    this.#at = this.#bytes.length;
    return frame;
  }

  /** Discards what was written. */
  reset(): void {
    if (this.#bytes.length > KEPT_MAX_BYTES) {
      returnMemory(this.#bytes);
      this.#use(takeMemory(START_BYTES));
    }
    this.#at = this.#bytes.length;
  }

  /** Bytes written so far. Taken before the fields of a nested message, it tells `message` where that one ends. */
  mark(): number {
    return this.#bytes.length - this.#at;
  }

  /** Makes everything written since `mark` the nested message of a field. */
  message(field: number, mark: number): void {
    this.#reserve(7);
    this.#varint(this.mark() - mark);
    this.#tag(field, LENGTH_DELIMITED);
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.presentBytes(field, value);
  }

  /** As `bytes`, but also when it is empty: for a nested message that was encoded elsewhere. */
  presentBytes(field: number, value: Uint8Array): void {
    this.#reserve(value.length + 7);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
    this.#varint(value.length);
    this.#tag(field, LENGTH_DELIMITED);
  }

  string(field: number, text: string): void {
    if (text !== "") this.presentString(field, text);
  }

  presentString(field: number, text: string): void {
    const { length } = text;
    this.#reserve(length + 7);
    const start = this.#at - length;
    for (let index = 0; index < length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) {
        this.#unicode(field, text);
        return;
      }
      this.#bytes[start + index] = unit;
    }
    this.#at = start;
    this.#varint(length);
    this.#tag(field, LENGTH_DELIMITED);
  }

  bool(field: number, value: boolean): void {
    if (value) this.presentBool(field, value);
  }

  presentBool(field: number, value: boolean): void {
    this.#reserve(3);
    this.#bytes[--this.#at] = value ? 1 : 0;
    this.#tag(field, VARINT);
  }

  uint32(field: number, value: number): void {
    if (value === 0) return;
    this.#reserve(7);
    this.#varint(value);
    this.#tag(field, VARINT);
  }

  /** A uint64 as a number: whole, not negative, below 2^53. */
  uint53(field: number, value: number): void {
    if (value === 0) return;
    this.#reserve(10);
    this.#varint(value);
    this.#tag(field, VARINT);
  }

  uint64(field: number, value: bigint): void {
    if (value !== 0n) this.presentUint64(field, value);
  }

  presentUint64(field: number, value: bigint): void {
    this.#reserve(12);
    if (value <= Number.MAX_SAFE_INTEGER) {
      const small = Number(value);
      if (small < 0) throw new RangeError("a uint64 is negative");
      this.#varint(small);
    } else this.#bigVarint(value);
    this.#tag(field, VARINT);
  }

  /** A signed integer, in zigzag form. */
  sint64(field: number, value: bigint): void {
    if (value === 0n) return;
    if (value < SINT_SMALL && value > -SINT_SMALL) {
      const number = Number(value);
      this.uint53(field, number < 0 ? -2 * number - 1 : 2 * number);
    } else this.presentUint64(field, value < 0n ? -2n * value - 1n : 2n * value);
  }

  fixed64(field: number, value: bigint): void {
    if (value !== 0n) this.presentFixed64(field, value);
  }

  presentFixed64(field: number, value: bigint): void {
    this.#reserve(10);
    this.#at -= 8;
    if (value !== this.#recentFixed64) {
      const high = Number(value >> 32n);
      if (!(high >= 0 && high <= 0xffff_ffff)) throw new RangeError("a fixed64 is out of its range");
      this.#recentFixed64Low = Number(value & 0xffff_ffffn);
      this.#recentFixed64High = high;
      this.#recentFixed64 = value;
    }
    this.#view.setUint32(this.#at, this.#recentFixed64Low, true);
    this.#view.setUint32(this.#at + 4, this.#recentFixed64High, true);
    this.#tag(field, FIXED64);
  }

  #unicode(field: number, text: string): void {
    if (!text.isWellFormed()) throw new TypeError("text has a lone surrogate");
    const length = Buffer.byteLength(text);
    this.#reserve(length + 7);
    this.#at -= length;
    this.#bytes.write(text, this.#at, length, "utf8");
    this.#varint(length);
    this.#tag(field, LENGTH_DELIMITED);
  }

  #tag(field: number, wireType: number): void {
    if (field < 16) {
      this.#bytes[--this.#at] = (field << 3) | wireType;
      return;
    }
    this.#bytes[--this.#at] = field >>> 4;
    this.#bytes[--this.#at] = 0x80 | ((field & 0xf) << 3) | wireType;
  }

  #varint(value: number): void {
    if (value < 0x80) {
      this.#bytes[--this.#at] = value;
      return;
    }
    this.#at -= varintBytes(value);
    let at = this.#at;
    let rest = value;
    while (rest > 0x7fff_ffff) {
      this.#bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      this.#bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[at] = rest;
  }

  #bigVarint(value: bigint): void {
    if (!(value <= UINT64_MAX)) throw new RangeError("a uint64 is out of its range");
    let rest = value;
    const digits: number[] = [];
    while (rest > 0n) {
      digits.push(Number(rest & 0x7fn));
      rest >>= 7n;
    }
    for (const [index, digit] of digits.reverse().entries()) {
      this.#bytes[--this.#at] = index === 0 ? digit : digit | 0x80;
    }
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#at) return;
    const written = this.mark();
    const grown = takeMemory(Math.max(this.#bytes.length * 2, written + bytes));
    this.#bytes.copy(grown, grown.length - written, this.#at);
    returnMemory(this.#bytes);
    this.#use(grown);
    this.#at = grown.length - written;
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
}

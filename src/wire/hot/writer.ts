/**
 * Writes the protobuf wire format from the end to the beginning, so that the length of a nested message is
 * known when it is to be written: no sizes are computed beforehand, and the bytes are copied out once.
 *
 * A message's fields are therefore written in descending order. Fields at their zero value are left out, as
 * proto3 wants. Field numbers are below 16: one byte of tag.
 */
import { Buffer } from "node:buffer";

const startBytes = 64 * 1024;
/** A scratch buffer that grew beyond this is not kept. */
const keptMaxBytes = 4 * 1024 * 1024;

export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(startBytes);
  #view = new DataView(this.#bytes.buffer);
  /** Where the last written byte is. */
  #at = this.#bytes.length;

  /** What was written, as bytes of their own; the writer begins anew. */
  finish(): Buffer {
    const message = Buffer.allocUnsafe(this.#bytes.length - this.#at);
    this.#bytes.copy(message, 0, this.#at);
    this.reset();
    return message;
  }

  /** Forgets what was written. */
  reset(): void {
    if (this.#bytes.length > keptMaxBytes) this.#use(Buffer.allocUnsafeSlow(startBytes));
    this.#at = this.#bytes.length;
  }

  /** Bytes written so far: give it to `message` to say where a nested message ends. */
  mark(): number {
    return this.#bytes.length - this.#at;
  }

  /** Makes what was written since `mark` the nested message of a field. */
  message(field: number, mark: number): void {
    this.#reserve(6);
    this.#varint(this.mark() - mark);
    this.#tag(field, 2);
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.presentBytes(field, value);
  }

  /** As `bytes` for a field that is written when empty too, such as a nested message. */
  presentBytes(field: number, value: Uint8Array): void {
    this.#reserve(value.length + 6);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
    this.#varint(value.length);
    this.#tag(field, 2);
  }

  string(field: number, text: string): void {
    if (text !== "") this.presentString(field, text);
  }

  presentString(field: number, text: string): void {
    const { length } = text;
    this.#reserve(length + 6);
    const end = this.#at;
    const start = end - length;
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
    this.#tag(field, 2);
  }

  bool(field: number, value: boolean): void {
    if (value) this.presentBool(field, value);
  }

  presentBool(field: number, value: boolean): void {
    this.#reserve(2);
    this.#bytes[--this.#at] = value ? 1 : 0;
    this.#tag(field, 0);
  }

  uint32(field: number, value: number): void {
    if (value === 0) return;
    this.#reserve(6);
    this.#varint(value);
    this.#tag(field, 0);
  }

  uint64(field: number, value: bigint): void {
    if (value !== 0n) this.presentUint64(field, value);
  }

  presentUint64(field: number, value: bigint): void {
    this.#reserve(11);
    if (value <= 0x1f_ffff_ffff_ffffn) {
      this.#varint(Number(value));
    } else {
      const low = Number(BigInt.asUintN(49, value));
      this.#padded(low, 7);
      this.#at -= 7;
      this.#varintBefore(Number(value >> 49n));
    }
    this.#tag(field, 0);
  }

  fixed64(field: number, value: bigint): void {
    if (value !== 0n) this.presentFixed64(field, value);
  }

  presentFixed64(field: number, value: bigint): void {
    this.#reserve(9);
    this.#at -= 8;
    this.#view.setBigUint64(this.#at, value, true);
    this.#tag(field, 1);
  }

  #unicode(field: number, text: string): void {
    if (!text.isWellFormed()) throw new TypeError("text has a lone surrogate");
    const length = Buffer.byteLength(text);
    this.#reserve(length + 6);
    this.#at -= length;
    this.#bytes.utf8Write(text, this.#at, length);
    this.#varint(length);
    this.#tag(field, 2);
  }

  #tag(field: number, wireType: number): void {
    this.#bytes[--this.#at] = (field << 3) | wireType;
  }
}

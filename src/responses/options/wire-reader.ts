/** Reads fields of an encoded protobuf message, as values that keys and tags can be made of. Copies what it returns. */
import { isUtf8 } from "node:buffer";
import { FIELD_KIND, type FieldKind } from "./message-type.ts";

/** The request cannot be told apart from every other request: its response is not cached. */
export class UnkeyableRequest extends Error {
  override readonly name = "UnkeyableRequest";
}

export type FieldValue = number | bigint | boolean | string | Uint8Array;

export const WIRE = { varint: 0, fixed64: 1, delimited: 2, groupBegin: 3, groupEnd: 4, fixed32: 5 } as const;

/** How a value of a kind travels, when it is alone. */
export function wireTypeOf(kind: FieldKind): number {
  switch (kind) {
    case FIELD_KIND.double:
    case FIELD_KIND.fixed64:
    case FIELD_KIND.sfixed64:
      return WIRE.fixed64;
    case FIELD_KIND.float:
    case FIELD_KIND.fixed32:
    case FIELD_KIND.sfixed32:
      return WIRE.fixed32;
    case FIELD_KIND.string:
    case FIELD_KIND.bytes:
    case FIELD_KIND.message:
      return WIRE.delimited;
    case FIELD_KIND.group:
      return -1;
    default:
      return WIRE.varint;
  }
}

const malformed = () => new UnkeyableRequest("the request is no valid message");

/** Goes through one message. Every method throws an UnkeyableRequest for bytes that are no such thing. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;
  /** The last varint: its low and its high 32 bits. */
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The number of the next field, times 8, and its wire type. */
  tag(): number {
    this.#varint();
    if (this.#high !== 0 || this.#low < 8) throw malformed();
    return this.#low;
  }

  skip(wireType: number): void {
    switch (wireType) {
      case WIRE.varint:
        this.#varint();
        return;
      case WIRE.fixed64:
        this.#take(8);
        return;
      case WIRE.delimited:
        this.#delimited();
        return;
      case WIRE.fixed32:
        this.#take(4);
        return;
      case WIRE.groupBegin:
        this.#skipGroup();
        return;
      default:
        throw malformed();
    }
  }

  /** Groups may be nested. */
  #skipGroup(): void {
    for (let open = 1; open > 0; ) {
      const wireType = this.tag() & 7;
      if (wireType === WIRE.groupBegin) open += 1;
      else if (wireType === WIRE.groupEnd) open -= 1;
      else this.skip(wireType);
    }
  }

  /** A view of the bytes. */
  delimited(): Buffer {
    const from = this.#delimited();
    return this.#bytes.subarray(from, this.#at);
  }

  /** The place of its bytes, which end where the reader is then. */
  #delimited(): number {
    this.#varint();
    if (this.#high !== 0) throw malformed();
    return this.#take(this.#low);
  }

  value(kind: FieldKind): FieldValue {
    switch (kind) {
      case FIELD_KIND.double:
        return this.#bytes.readDoubleLE(this.#take(8));
      case FIELD_KIND.float:
        return this.#bytes.readFloatLE(this.#take(4));
      case FIELD_KIND.fixed64:
        return this.#bytes.readBigUInt64LE(this.#take(8));
      case FIELD_KIND.sfixed64:
        return this.#bytes.readBigInt64LE(this.#take(8));
      case FIELD_KIND.fixed32:
        return this.#bytes.readUInt32LE(this.#take(4));
      case FIELD_KIND.sfixed32:
        return this.#bytes.readInt32LE(this.#take(4));
      case FIELD_KIND.string:
        return this.#text();
      case FIELD_KIND.bytes:
        return new Uint8Array(this.delimited());
      default:
        this.#varint();
        return this.#integer(kind);
    }
  }

  #integer(kind: FieldKind): FieldValue {
    switch (kind) {
      case FIELD_KIND.bool:
        return (this.#low | this.#high) !== 0;
      case FIELD_KIND.int32:
      case FIELD_KIND.enum:
        return this.#low | 0;
      case FIELD_KIND.uint32:
        return this.#low;
      case FIELD_KIND.sint32:
        return (this.#low >>> 1) ^ -(this.#low & 1);
      case FIELD_KIND.int64:
        return this.#high === 0 ? this.#low : BigInt.asIntN(64, this.#wide());
      case FIELD_KIND.uint64:
        return this.#high === 0 ? this.#low : this.#wide();
      case FIELD_KIND.sint64: {
        const wide = this.#wide();
        return (wide >> 1n) ^ -(wide & 1n);
      }
      default:
        throw malformed();
    }
  }

  #wide(): bigint {
    return (BigInt(this.#high) << 32n) | BigInt(this.#low);
  }

  #text(): string {
    const from = this.#delimited();
    const text = this.#bytes.toString("latin1", from, this.#at);
    // Most texts of keys are ASCII.
    if (isAscii(text)) return text;
    const view = this.#bytes.subarray(from, this.#at);
    if (!isUtf8(view)) throw new UnkeyableRequest("a text of the request is not UTF-8");
    return view.toString("utf8");
  }

  /** The place of the next `length` bytes, which are read now. */
  #take(length: number): number {
    const from = this.#at;
    if (from + length > this.#bytes.length) throw malformed();
    this.#at = from + length;
    return from;
  }

  #varint(): void {
    const bytes = this.#bytes;
    const first = bytes[this.#at];
    // Most numbers of fields and most lengths.
    if (first !== undefined && first < 0x80) {
      this.#at += 1;
      this.#low = first;
      this.#high = 0;
      return;
    }
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[this.#at];
      if (byte === undefined) throw malformed();
      this.#at += 1;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw malformed();
  }
}

const NOT_ASCII = /[^\0-\x7f]/;
const isAscii = (text: string): boolean => !NOT_ASCII.test(text);

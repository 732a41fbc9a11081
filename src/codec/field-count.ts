/** Counts the fields of an encoded message before anybody decodes it: each field that is decoded costs memory and time. */
import type { DescMessage } from "@bufbuild/protobuf";

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_DELIMITED = 2;
const WIRE_GROUP = 3;
const WIRE_GROUP_END = 4;
const WIRE_FIXED32 = 5;
/** The decoder takes no deeper ones. */
const GROUPS_MAX = 100;
/** The least bytes that a field takes: a tag and a length or number. */
const FIELD_MIN_BYTES = 2;

/** The types of the fields of a message that are messages, by their numbers. */
type Nested = ReadonlyMap<number, DescMessage>;

const nestedOf = new WeakMap<DescMessage, Nested>();

/**
 * Whether `bytes` have more than `maxFields` fields, those of nested messages included.
 * Looks at no more than that many. What is malformed ends the count: the decoder reports it.
 */
export function hasMoreFields(schema: DescMessage, bytes: Uint8Array, maxFields: number): boolean {
  if (bytes.length <= FIELD_MIN_BYTES * maxFields) return false;
  const scan = new FieldScan(bytes, maxFields);
  scan.message(schema, bytes.length);
  return scan.left < 0;
}

class FieldScan {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** Groups that are open: their fields stand among those of their message. */
  #groups = 0;
  left: number;

  constructor(bytes: Uint8Array, maxFields: number) {
    this.#bytes = bytes;
    this.left = maxFields;
  }

  /** Counts up to `end`. The types of requests contain no type of their own, so that this is not deep. */
  message(schema: DescMessage, end: number): void {
    const nested = readNested(schema);
    while (this.#at < end && this.left >= 0 && this.#groups <= GROUPS_MAX) {
      const tag = this.#varint();
      this.left -= 1;
      switch (tag & 7) {
        case WIRE_VARINT:
          this.#varint();
          break;
        case WIRE_FIXED64:
          this.#at += 8;
          break;
        case WIRE_DELIMITED:
          this.#delimited(nested.get(tag >>> 3), end);
          break;
        case WIRE_FIXED32:
          this.#at += 4;
          break;
        case WIRE_GROUP:
          this.#groups += 1;
          break;
        case WIRE_GROUP_END:
          this.#groups -= 1;
          break;
        default:
          return;
      }
    }
  }

  #delimited(schema: DescMessage | undefined, outerEnd: number): void {
    const length = this.#varint();
    const end = Math.min(this.#at + length, outerEnd);
    if (schema !== undefined) this.message(schema, end);
    this.#at = end;
  }

  /** Its lower 32 bits. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at] ?? 0;
      this.#at += 1;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }
}

function readNested(schema: DescMessage): Nested {
  let nested = nestedOf.get(schema);
  if (nested === undefined) {
    nested = new Map(
      schema.fields.flatMap((field) => (field.message ? [[field.number, field.message]] : [])),
    );
    nestedOf.set(schema, nested);
  }
  return nested;
}

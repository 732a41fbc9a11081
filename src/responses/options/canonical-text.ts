/**
 * Text for the values of a request, of which keys and tags are made. In a key a value is written by its type, so that no two
 * values look alike: `"7"`, `7`, `x'Bw'`, `true`. In a tag it stands as it is: `7`.
 */
import type { FieldType, MessageType } from "./message-type.ts";
import { FIELD_KIND } from "./message-type.ts";
import { type FieldValue, UnkeyableRequest, WIRE, WireReader, wireTypeOf } from "./wire-reader.ts";

/** What stands in a key for a field that was not set and could have been. */
export const UNSET = "~";

/** Messages may be nested so deep: as deep as other readers of protobuf go. */
const DEPTH_MAX = 100;

export function toKeyText(value: FieldValue): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (value instanceof Uint8Array) return `x'${toBase64(value)}'`;
  return Object.is(value, -0) ? "-0" : String(value);
}

export function toTagText(value: FieldValue): string {
  if (typeof value === "string") return value;
  return value instanceof Uint8Array ? toBase64(value) : toKeyText(value);
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/** What a singular field has that was not set. */
export function defaultOf(field: FieldType): FieldValue {
  switch (field.kind) {
    case FIELD_KIND.string:
      return "";
    case FIELD_KIND.bytes:
      return new Uint8Array(0);
    case FIELD_KIND.bool:
      return false;
    default:
      return 0;
  }
}

/** Adds what stands at the reader for `field`: one value, or those of a packed list. False: it is of another wire type. */
export function readValues(
  reader: WireReader,
  wireType: number,
  field: FieldType,
  add: (value: FieldValue) => void,
): boolean {
  const single = wireTypeOf(field.kind);
  if (wireType === single) {
    add(reader.value(field.kind));
    return true;
  }
  if (!field.repeated || wireType !== WIRE.delimited || single === -1) return false;
  const items = new WireReader(reader.delimited());
  while (!items.isAtEnd) add(items.value(field.kind));
  return true;
}

/**
 * A message with all that it has, its fields by their numbers, in their order, maps in the order of their keys. Throws UnkeyableRequest.
 */
export function toCanonicalText(type: MessageType, parts: readonly Uint8Array[], depth = 0): string {
  if (depth > DEPTH_MAX) throw new UnkeyableRequest("the request is nested too deeply");
  const values = new Map<number, (FieldValue | Uint8Array)[]>();
  const chosen = new Map<string, number>();
  for (const part of parts) collect(type, part, values, chosen);
  const texts: string[] = [];
  for (const number of [...values.keys()].sort((left, right) => left - right)) {
    const field = type.byNumber.get(number);
    const text = field && toFieldText(field, values.get(number) ?? [], depth);
    if (text !== undefined) texts.push(`${number}=${text}`);
  }
  return texts.join(",");
}

function collect(
  type: MessageType,
  part: Uint8Array,
  values: Map<number, FieldValue[]>,
  chosen: Map<string, number>,
): void {
  const reader = new WireReader(part);
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    const field = fieldOf(type, tag >>> 3);
    if (type.hasOneofs) chooseOne(field, chosen);
    const into = values.get(field.number) ?? [];
    values.set(field.number, into);
    if (field.kind === FIELD_KIND.message) {
      if ((tag & 7) !== WIRE.delimited) throw mistyped();
      into.push(reader.delimited());
    } else if (!readValues(reader, tag & 7, field, (value) => into.push(value))) throw mistyped();
  }
}

const mistyped = () => new UnkeyableRequest("a field of the request is of another type");

/** A field that the descriptors do not know may be what the response depends on. */
export function fieldOf(type: MessageType, number: number): FieldType {
  const field = type.byNumber.get(number);
  if (field === undefined)
    throw new UnkeyableRequest("the request has a field that the descriptors do not know");
  return field;
}

/** Of two members of a oneof, readers keep the last one. Nobody sends both, so such a request is not told apart from others. */
export function chooseOne(field: FieldType, chosen: Map<string, number>): void {
  if (field.oneof === undefined) return;
  const earlier = chosen.get(field.oneof);
  if (earlier !== undefined && earlier !== field.number)
    throw new UnkeyableRequest("the request has two members of a oneof");
  chosen.set(field.oneof, field.number);
}

/** Undefined: it counts as not set. */
function toFieldText(field: FieldType, values: readonly FieldValue[], depth: number): string | undefined {
  const message = field.kind === FIELD_KIND.message ? field.message() : undefined;
  if (message !== undefined) {
    const parts = values.filter((value): value is Uint8Array => value instanceof Uint8Array);
    if (field.map) return toMapText(message, parts, depth);
    if (!field.repeated) return `{${toCanonicalText(message, parts, depth + 1)}}`;
    return `[${parts.map((part) => `{${toCanonicalText(message, [part], depth + 1)}}`).join(",")}]`;
  }
  if (field.repeated) return values.length === 0 ? undefined : toListText(values);
  const last = values.at(-1);
  if (last === undefined) return undefined;
  const text = toKeyText(last);
  return !field.explicit && text === toKeyText(defaultOf(field)) ? undefined : text;
}

export function toListText(values: readonly FieldValue[]): string {
  return `[${values.map(toKeyText).join(",")}]`;
}

/** Of two items with one key the last one counts. */
function toMapText(entry: MessageType, parts: readonly Uint8Array[], depth: number): string {
  const items = new Map<string, string>();
  for (const part of parts) {
    const values = new Map<number, FieldValue[]>();
    collect(entry, part, values, new Map());
    const [key = "", value = ""] = [1, 2].map((number) => {
      const field = fieldOf(entry, number);
      return (
        toFieldText({ ...field, explicit: true }, values.get(number) ?? [], depth + 1) ?? defaultText(field)
      );
    });
    items.set(key, value);
  }
  const sorted = [...items].sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${sorted.map(([key, value]) => `${key}:${value}`).join(",")}}`;
}

function defaultText(field: FieldType): string {
  return field.kind === FIELD_KIND.message ? "{}" : toKeyText(defaultOf(field));
}

/** Finds the fields that options name, and reads their values from encoded requests. */
import { chooseOne, defaultOf, fieldOf, readValues } from "./canonical-text.ts";
import { FIELD_KIND, type FieldType, type MessageType } from "./message-type.ts";
import { type FieldValue, UnkeyableRequest, WIRE, WireReader, wireTypeOf } from "./wire-reader.ts";

/** A field that an option names, found. */
export interface FieldPath {
  /** As the option has it: "filter.tenant". */
  readonly name: string;
  readonly numbers: readonly number[];
  readonly leaf: FieldType;
}

/** The path, or what is wrong with it, in words for an error that begins with its name. */
export function findField(type: MessageType, name: string): FieldPath | string {
  const numbers: number[] = [];
  let at: MessageType | undefined = type;
  let leaf: FieldType | undefined;
  for (const step of name.split(".")) {
    if (at === undefined) return `goes on after ${leaf?.name}, which is no message`;
    // @grpc/proto-loader changes names to this unless it is told to keep them.
    leaf = at.byName.get(step) ?? at.byName.get(toCamelCase(step));
    if (leaf === undefined) return `is no field of ${at.typeName}`;
    numbers.push(leaf.number);
    at = leaf.message();
    if (leaf.map) return "is a map, or leads through one";
    if (leaf.kind === FIELD_KIND.group) return "is a group, or leads through one";
    if (at !== undefined && leaf.repeated) return "is a list of messages, or leads through one";
  }
  if (leaf === undefined) return "is empty";
  if (at !== undefined) return "is a message: name a field of it, or leave `key` empty for the whole request";
  return { name, numbers, leaf };
}

/** As protobufjs does it. */
function toCamelCase(name: string): string {
  return name.replace(/(?<=.)_([a-z])(?=[a-z]|$)/g, (_, letter: string) => letter.toUpperCase());
}

interface Node {
  /** Where the values go. */
  slot: number | undefined;
  children: Map<number, Node> | undefined;
}

/** The values of some fields of a request. A singular field that was not set has none. */
export type FieldValues = readonly (readonly FieldValue[])[];

/** What becomes of a request with fields that the descriptors do not know. */
export type UnknownFields = "refuseUnknown" | "skipUnknown";

/** Reads several fields in one pass. Fields are added before the first request is read. */
export class FieldReader {
  readonly #type: MessageType;
  readonly #root: Node = { slot: undefined, children: new Map() };
  #count = 0;

  readonly #unknown: UnknownFields;

  constructor(type: MessageType, unknown: UnknownFields) {
    this.#type = type;
    this.#unknown = unknown;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** The place of its values in what `read` returns. */
  slotOf({ numbers }: FieldPath): number {
    let node = this.#root;
    for (const number of numbers) {
      node.children ??= new Map();
      let next = node.children.get(number);
      if (next === undefined) {
        next = { slot: undefined, children: undefined };
        node.children.set(number, next);
      }
      node = next;
    }
    if (node.slot === undefined) {
      node.slot = this.#count;
      this.#count += 1;
    }
    return node.slot;
  }

  /** By slot. Throws UnkeyableRequest. */
  read(request: Uint8Array): FieldValues {
    const values: FieldValue[][] = [];
    for (let slot = 0; slot < this.#count; slot += 1) values.push([]);
    readInto(this.#type, this.#root, request, values, this.#unknown);
    return values;
  }
}

function readInto(
  type: MessageType,
  node: Node,
  bytes: Uint8Array,
  values: FieldValue[][],
  unknown: UnknownFields,
): void {
  const reader = new WireReader(bytes);
  const chosen = type.hasOneofs ? new Map<string, number>() : undefined;
  while (!reader.isAtEnd) {
    const tag = reader.tag();
    const wireType = tag & 7;
    const number = tag >>> 3;
    if (unknown === "skipUnknown" && !type.byNumber.has(number)) {
      reader.skip(wireType);
      continue;
    }
    const field = fieldOf(type, number);
    if (chosen !== undefined) chooseOne(field, chosen);
    const wanted = node.children?.get(field.number);
    const list = wanted?.slot === undefined ? undefined : values[wanted.slot];
    if (wanted === undefined) reader.skip(wireType);
    else if (list !== undefined) readLeaf(reader, wireType, field, list);
    else {
      const message = field.message();
      if (message === undefined || wireType !== WIRE.delimited) throw mistyped();
      // Parts of one message are merged, and so are read one after the other.
      readInto(message, wanted, reader.delimited(), values, unknown);
    }
  }
}

const mistyped = () => new UnkeyableRequest("a field of the request is of another type");

function readLeaf(reader: WireReader, wireType: number, field: FieldType, list: FieldValue[]): void {
  if (field.repeated) {
    if (!readValues(reader, wireType, field, (value) => list.push(value))) throw mistyped();
    return;
  }
  if (wireType !== wireTypeOf(field.kind)) throw mistyped();
  // Of a singular field that comes twice the last one counts.
  list[0] = reader.value(field.kind);
}

/** The value of a singular field, or undefined where it was not set and that can be told. */
export function singleValue({ leaf }: FieldPath, values: readonly FieldValue[]): FieldValue | undefined {
  return values[0] ?? (leaf.explicit ? undefined : defaultOf(leaf));
}

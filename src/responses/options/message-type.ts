/** What is known of the type of a request: its fields by number and by name. Made of a descriptor of protobuf-es. */
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence as Presence } from "@bufbuild/protobuf/wkt";

/** The type of a field as descriptors number it (`google.protobuf.FieldDescriptorProto.Type`). */
export const FIELD_KIND = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  fixed64: 6,
  fixed32: 7,
  bool: 8,
  string: 9,
  group: 10,
  message: 11,
  bytes: 12,
  uint32: 13,
  enum: 14,
  sfixed32: 15,
  sfixed64: 16,
  sint32: 17,
  sint64: 18,
} as const;

export type FieldKind = (typeof FIELD_KIND)[keyof typeof FIELD_KIND];

export interface FieldType {
  readonly name: string;
  readonly number: number;
  readonly kind: FieldKind;
  readonly repeated: boolean;
  readonly map: boolean;
  /** It can be told whether a singular field was set to its default or not set. */
  readonly explicit: boolean;
  /** Names the oneof that it is in. */
  readonly oneof: string | undefined;
  /** Undefined: it is no message. Read late, since types may hold themselves. */
  readonly message: () => MessageType | undefined;
}

export interface MessageType {
  readonly typeName: string;
  readonly byNumber: ReadonlyMap<number, FieldType>;
  readonly byName: ReadonlyMap<string, FieldType>;
  readonly hasOneofs: boolean;
}

export function createMessageType(typeName: string, fields: readonly FieldType[]): MessageType {
  return {
    typeName,
    byNumber: new Map(fields.map((field) => [field.number, field])),
    byName: new Map(fields.map((field) => [field.name, field])),
    hasOneofs: fields.some(({ oneof }) => oneof !== undefined),
  };
}

/** Types are made once for each descriptor. */
const known = new WeakMap<DescMessage, MessageType>();

export function toMessageType(message: DescMessage): MessageType {
  const made = known.get(message);
  if (made !== undefined) return made;
  const type = createMessageType(message.typeName, message.fields.map(toFieldType));
  known.set(message, type);
  return type;
}

function toFieldType(field: DescField): FieldType {
  const { name, number } = field;
  const repeated = field.fieldKind === "list" || field.fieldKind === "map";
  return {
    name,
    number,
    repeated,
    kind: kindOf(field),
    map: field.fieldKind === "map",
    explicit: !repeated && field.presence !== Presence.IMPLICIT,
    oneof: field.oneof?.name,
    message: () => messageOf(field),
  };
}

function kindOf(field: DescField): FieldKind {
  switch (field.fieldKind) {
    case "scalar":
      return field.scalar;
    case "enum":
      return FIELD_KIND.enum;
    case "message":
      return field.delimitedEncoding ? FIELD_KIND.group : FIELD_KIND.message;
    case "map":
      return FIELD_KIND.message;
    case "list":
      if (field.listKind === "scalar") return field.scalar;
      if (field.listKind === "enum") return FIELD_KIND.enum;
      return field.delimitedEncoding ? FIELD_KIND.group : FIELD_KIND.message;
  }
}

function messageOf(field: DescField): MessageType | undefined {
  if (field.fieldKind === "map") return entryOf(field);
  return field.message && toMessageType(field.message);
}

/** An item of a map travels as a message with the fields "key" and "value". */
function entryOf(field: DescField & { readonly fieldKind: "map" }): MessageType {
  const plain = { repeated: false, map: false, explicit: false, oneof: undefined };
  const { mapKind, message } = field;
  const kind: FieldKind =
    mapKind === "message" ? FIELD_KIND.message : mapKind === "enum" ? FIELD_KIND.enum : field.scalar;
  return createMessageType(`${field.parent.typeName}.${field.name}`, [
    { ...plain, name: "key", number: 1, kind: field.mapKey, message: () => undefined },
    { ...plain, name: "value", number: 2, kind, message: () => message && toMessageType(message) },
  ]);
}

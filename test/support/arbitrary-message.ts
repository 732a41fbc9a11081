/** Random messages of any schema: fast-check arbitraries that are built from its descriptor. */
import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import fc from "fast-check";

const uint64 = fc.oneof(
  fc.constant(0n),
  fc.bigInt({ min: 1n, max: 300n }),
  fc.bigInt({ min: 0n, max: 2n ** 53n + 10n }),
  fc.bigInt({ min: 2n ** 55n - 3n, max: 2n ** 57n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

const text = fc.oneof(
  fc.constant(""),
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constant("\ufeffbegins with a mark"),
);

function arbitraryScalar(scalar: ScalarType): fc.Arbitrary<unknown> {
  switch (scalar) {
    case ScalarType.STRING:
      return text;
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 200 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return uint64;
    case ScalarType.SINT64:
      return uint64.map((value) => BigInt.asIntN(64, value));
    case ScalarType.UINT32:
      return fc.oneof(fc.nat(20), fc.nat(2 ** 31 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
    case ScalarType.INT32:
      return fc.integer({ min: 0, max: 2 ** 31 - 1 });
    default:
      throw new Error(`no arbitrary for scalar ${scalar}`);
  }
}

function arbitraryValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const { message, scalar } = field;
  const enumeration = field.enum;
  if (message !== undefined) return arbitraryMessage(message, depth - 1);
  if (enumeration !== undefined) return fc.constantFrom(...enumeration.values.map((value) => value.number));
  if (scalar !== undefined) return arbitraryScalar(scalar);
  return fc.constant(undefined);
}

/**
 * Each field may be missing, and at most one field of a oneof is set. Messages are nested at most `depth`
 * levels deep.
 */
export function arbitraryMessage(schema: DescMessage, depth = 6): fc.Arbitrary<Message> {
  const usable = schema.fields.filter(
    (field) => field.fieldKind !== "map" && (depth > 0 || field.message === undefined),
  );
  const values = usable.map((field) => {
    const value = arbitraryValue(field, depth);
    const one = field.fieldKind === "list" ? fc.array(value, { maxLength: 4 }) : value;
    return fc.option(one, { nil: undefined, freq: field.oneof === undefined ? 3 : 1 });
  });
  return fc.tuple(...values).map((chosen) => {
    const message = create(schema);
    const target = reflect(schema, message);
    for (const [index, field] of usable.entries()) {
      const value = chosen[index];
      if (value === undefined) continue;
      if (field.fieldKind === "list" && Array.isArray(value)) {
        const list = target.get(field);
        for (const item of value) list.add(toReflected(field.message, item));
      } else if (field.fieldKind !== "list" && field.fieldKind !== "map") {
        target.set(field, toReflected(field.message, value));
      }
    }
    return message;
  });
}

function toReflected(schema: DescMessage | undefined, value: unknown): never {
  const reflected = schema === undefined ? value : reflect(schema, value as Message);
  return reflected as never;
}

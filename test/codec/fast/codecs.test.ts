/** Compares the hand codecs with the generated ones, both ways, on arbitrary messages and on damaged bytes. */
import { type DescMessage, equals, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  BatchResponseSchema,
  ExchangeRequestSchema,
  ExchangeResponseSchema,
  GetRequestSchema,
  GetResponseSchema,
  IncrementRequestSchema,
  IncrementResponseSchema,
  InvalidateRequestSchema,
  InvalidateResponseSchema,
  LeaseRequestSchema,
  LeaseResponseSchema,
  SetRequestSchema,
  SetResponseSchema,
  TouchRequestSchema,
  TouchResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeFast, encodeFast } from "../../../src/codec/fast/codecs.ts";
import { arbitraryMessage } from "../../support/arbitrary-message.ts";

const schemas: readonly DescMessage[] = [
  GetRequestSchema,
  GetResponseSchema,
  SetRequestSchema,
  SetResponseSchema,
  IncrementRequestSchema,
  IncrementResponseSchema,
  InvalidateRequestSchema,
  InvalidateResponseSchema,
  LeaseRequestSchema,
  LeaseResponseSchema,
  TouchRequestSchema,
  TouchResponseSchema,
  BatchRequestSchema,
  BatchResponseSchema,
  ExchangeRequestSchema,
  ExchangeResponseSchema,
];

const generated = <Desc extends DescMessage>(
  schema: Desc,
  bytes: Uint8Array,
): MessageShape<Desc> | "refused" => {
  try {
    return fromBinary(schema, bytes, { readUnknownFields: false });
  } catch {
    return "refused";
  }
};

/** The hand codec may refuse bytes, but what it reads must be what the generated codec reads. */
function expectSameReading(schema: DescMessage, bytes: Uint8Array): boolean {
  const byHand = decodeFast(schema, bytes);
  if (byHand === undefined) return false;
  const expected = generated(schema, bytes);
  if (expected === "refused")
    throw new Error(`${schema.name}: read by hand what the generated codec refuses`);
  expect(equals(schema, byHand, expected)).toBe(true);
  return true;
}

interface Field {
  readonly tag: Uint8Array;
  readonly body: Uint8Array;
}

/** The top-level fields of an encoded message. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const start = at;
    const wireType = varint() & 7;
    const bodyStart = at;
    if (wireType === WireType.Varint) varint();
    else if (wireType === WireType.Bit64) at += 8;
    else at += varint();
    fields.push({ tag: bytes.subarray(start, bodyStart), body: bytes.subarray(bodyStart, at) });
  }
  return fields;
}

const joined = (fields: readonly Field[]): Uint8Array =>
  Buffer.concat(fields.flatMap(({ tag, body }) => [tag, body]));

/** The same varint with a zero byte more than it needs. */
function overlong(bytes: Uint8Array): Uint8Array {
  const last = bytes.length - 1;
  return Uint8Array.from([...bytes.subarray(0, last), (bytes[last] ?? 0) | 0x80, 0]);
}

const unknownField = fc.oneof(
  fc
    .bigInt({ min: 0n, max: 2n ** 64n - 1n })
    .map((value) => new BinaryWriter().tag(99, WireType.Varint).uint64(value)),
  fc
    .uint8Array({ maxLength: 40 })
    .map((value) => new BinaryWriter().tag(17, WireType.LengthDelimited).bytes(value)),
  fc.constant(0).map(() => new BinaryWriter().tag(1000, WireType.Bit64).fixed64(7n)),
  fc.constant(0).map(() => new BinaryWriter().tag(16, WireType.Bit32).fixed32(7)),
  fc
    .constant(0)
    .map(() =>
      new BinaryWriter()
        .tag(20, WireType.StartGroup)
        .tag(1, WireType.Varint)
        .uint32(1)
        .tag(20, WireType.EndGroup),
    ),
);

describe.each(schemas.map((schema) => [schema.name, schema] as const))(
  "the hand codec of %s",
  (_name, schema) => {
    const messages = arbitraryMessage(schema);

    it("writes the generated codec's bytes and reads them back", () => {
      fc.assert(
        fc.property(messages, (message) => {
          const expected = toBinary(schema, message);
          const bytes = encodeFast(schema, message);
          if (bytes !== undefined) expect(Buffer.compare(bytes, expected)).toBe(0);
          const plain = expectSameReading(schema, expected);
          expect(plain || schema === ExchangeRequestSchema || schema === ExchangeResponseSchema).toBe(true);
        }),
        { numRuns: 300 },
      );
    });

    it("agrees on fields that are reordered, repeated, merged and unknown", () => {
      fc.assert(
        fc.property(
          messages,
          messages,
          fc.array(unknownField, { maxLength: 3 }),
          fc.infiniteStream(fc.nat()),
          (one, other, unknown, order) => {
            const fields = [
              ...fieldsOf(toBinary(schema, one)),
              ...fieldsOf(toBinary(schema, other)),
              ...unknown.map((writer) => ({ tag: writer.finish(), body: new Uint8Array(0) })),
            ];
            const shuffled = fields
              .map((field) => ({ field, rank: order.next().value ?? 0 }))
              .sort((left, right) => left.rank - right.rank)
              .map(({ field }) => field);
            expectSameReading(schema, joined(shuffled));
          },
        ),
        { numRuns: 300 },
      );
    });

    it("agrees on overlong varints", () => {
      fc.assert(
        fc.property(messages, fc.nat(), (message, choice) => {
          const fields = fieldsOf(toBinary(schema, message));
          const chosen = choice % Math.max(1, fields.length);
          const stretched = fields.map((field, index) =>
            index === chosen ? { ...field, tag: overlong(field.tag) } : field,
          );
          expectSameReading(schema, joined(stretched));
        }),
        { numRuns: 100 },
      );
    });

    it("agrees on bytes that were truncated or changed", () => {
      fc.assert(
        fc.property(messages, fc.nat(), fc.nat(255), fc.boolean(), (message, where, byte, cut) => {
          const bytes = Uint8Array.from(toBinary(schema, message));
          if (bytes.length === 0) return;
          const at = where % bytes.length;
          if (!cut) bytes[at] = byte;
          expectSameReading(schema, cut ? bytes.subarray(0, at) : bytes);
        }),
        { numRuns: 1_000 },
      );
    });
  },
);

describe("the hand codecs", () => {
  it("leave no bytes of a message that cannot be written", () => {
    const request = { ...generatedGet(), key: "\ud800\u1234" };
    expect(() => encodeFast(GetRequestSchema, request)).toThrow();
    const next = generatedGet();
    expect(encodeFast(GetRequestSchema, next)).toEqual(Buffer.from(toBinary(GetRequestSchema, next)));
  });

  it("write a message much larger than the buffer of the writer", () => {
    const message = fromBinary(SetRequestSchema, new Uint8Array(0));
    message.value = new Uint8Array(6 << 20).fill(7);
    message.key = "k";
    const bytes = encodeFast(SetRequestSchema, message);
    expect(Buffer.compare(bytes ?? Buffer.alloc(0), toBinary(SetRequestSchema, message))).toBe(0);
  });
});

function generatedGet(): MessageShape<typeof GetRequestSchema> {
  const message = fromBinary(GetRequestSchema, new Uint8Array(0));
  message.namespace = "users";
  return message;
}

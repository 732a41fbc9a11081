/** Header blocks that use the dynamic table, from an encoder that chooses at random, from nobody, and by the rules. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DynamicTable } from "../../src/http2/dynamic-table.ts";
import { HeaderDecoder } from "../../src/http2/header-decoder.ts";
import type { HeaderField } from "../../src/http2/hpack.ts";
import { countedBytes, type Form, HpackEncoder, integer } from "../support/hpack-encoder.ts";

const LIMITS = { maxBytes: 64 * 1024, maxPairs: 1_000 };
const TABLE_BYTES = 4_096;
const FIRST_DYNAMIC = 62;

const indexed = (index: number) => integer(0x80, 0x7f, index);
const sized = (bytes: number) => integer(0x20, 0x1f, bytes);

/** A few names and values, so that they come again. */
const field: fc.Arbitrary<HeaderField> = fc.tuple(
  fc.constantFrom(":method", ":path", "content-type", "cookie", "x-a", "x-b", ""),
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("GET", "/", "", "application/grpc", "v".repeat(90)) },
    { weight: 2, arbitrary: fc.string({ unit: "grapheme-ascii", maxLength: 40 }) },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 5_000 }).map((length) => "w".repeat(length)) },
  ),
);
const written = fc.record({
  field,
  form: fc.constantFrom<Form>("indexed", "indexed", "added", "plain", "never"),
  namesByIndex: fc.boolean(),
});
const block = fc.record({
  sizes: fc.array(fc.integer({ min: 0, max: TABLE_BYTES }), { maxLength: 2 }),
  fields: fc.array(written, { maxLength: 20 }),
});
const blocks = fc.array(block, { minLength: 1, maxLength: 20 });

interface Written {
  readonly sizes: readonly number[];
  readonly fields: readonly {
    readonly field: HeaderField;
    readonly form: Form;
    readonly namesByIndex: boolean;
  }[];
}

function write(encoder: HpackEncoder, { sizes, fields }: Written): Buffer {
  return Buffer.concat([
    ...sizes.map((bytes) => encoder.resize(bytes)),
    ...fields.map(({ field, form, namesByIndex }) => encoder.field(field, form, namesByIndex)),
  ]);
}

describe("a decoder with a dynamic table", () => {
  it("reads what an encoder with one writes, whatever it puts into it", () => {
    fc.assert(
      fc.property(blocks, (list) => {
        const encoder = new HpackEncoder(TABLE_BYTES);
        const decoder = new HeaderDecoder({ maxBytes: 1e6, maxPairs: 1_000 }, TABLE_BYTES);
        for (const one of list) {
          expect(decoder.decode(write(encoder, one))).toEqual(one.fields.map(({ field }) => field));
        }
        // The two have the same table, and the decoder no field more.
        encoder.table.forEach((field, index) => {
          expect(decoder.decode(indexed(FIRST_DYNAMIC + index))).toEqual([field]);
        });
        expect(decoder.decode(indexed(FIRST_DYNAMIC + encoder.table.length))).toBe("malformed");
      }),
      { numRuns: 300 },
    );
  });

  it("keeps its table right over blocks that are too large", () => {
    fc.assert(
      fc.property(blocks, fc.integer({ min: 0, max: 6 }), (list, maxPairs) => {
        const limits = { maxBytes: 500, maxPairs };
        const encoder = new HpackEncoder(TABLE_BYTES);
        const decoder = new HeaderDecoder(limits, TABLE_BYTES);
        for (const one of list) {
          const fields = one.fields.map(({ field }) => field);
          const fits = fields.length <= maxPairs && countedBytes(fields) <= limits.maxBytes;
          expect(decoder.decode(write(encoder, one))).toEqual(fits ? fields : "tooLarge");
        }
      }),
      { numRuns: 300 },
    );
  });

  it("gives the same field for the same index", () => {
    const decoder = new HeaderDecoder(LIMITS, TABLE_BYTES);
    const encoder = new HpackEncoder(TABLE_BYTES);
    const [first] = decoder.decode(encoder.field(["x", "y"], "added", false));
    const again = decoder.decode(Buffer.concat([indexed(FIRST_DYNAMIC), indexed(FIRST_DYNAMIC)]));
    expect(again[0]).toBe(first);
    expect(again[1]).toBe(first);
  });

  it.each([
    ["an index beyond its table", [0x40, 1, 0x61, 1, 0x62, 0xbf]],
    ["a name beyond its table", [0x7f, 0x00, 1, 0x62]],
    ["the index 0", [0x80]],
    ["a table that is larger than it may be", [...sized(TABLE_BYTES + 1)]],
    ["three sizes of the table", [0x20, 0x21, 0x22]],
    ["a size behind a field", [0x88, 0x20]],
    ["a size behind a field that was too large to keep", [0x40, 1, 0x61, 1, 0x62, 0x20]],
    ["an integer of more than five bytes", [0xff, 0x80, 0x80, 0x80, 0x80, 0x00]],
    ["a name that is cut", [0x40, 3, 0x61]],
    ["a value that is missing", [0x40, 1, 0x61]],
    ["a coded text with zeros as its padding", [0x40, 0x81, 0x18, 0]],
    ["a coded text with a byte of padding", [0x40, 0x82, 0x1f, 0xff, 0]],
  ])("refuses %s", (_, bytes) => {
    expect(new HeaderDecoder(LIMITS, TABLE_BYTES).decode(Uint8Array.from(bytes))).toBe("malformed");
  });

  it("takes two sizes of its table, of which the first empties it", () => {
    const decoder = new HeaderDecoder(LIMITS, TABLE_BYTES);
    decoder.decode(new HpackEncoder(TABLE_BYTES).field(["x", "y"], "added", false));
    expect(decoder.decode(indexed(FIRST_DYNAMIC))).toEqual([["x", "y"]]);
    expect(decoder.decode(Buffer.concat([sized(0), sized(TABLE_BYTES)]))).toEqual([]);
    expect(decoder.decode(indexed(FIRST_DYNAMIC))).toBe("malformed");
  });

  it("reads any bytes, or refuses them", () => {
    const bytes = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 });
    fc.assert(
      fc.property(bytes, fc.constantFrom(0, 64, TABLE_BYTES), (list, tableMaxBytes) => {
        const decoder = new HeaderDecoder(LIMITS, tableMaxBytes);
        for (const one of list) decoder.decode(one);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("a dynamic table", () => {
  it("has room for as many of the least fields as their count of 32 bytes allows", () => {
    const table = new DynamicTable(TABLE_BYTES);
    for (let n = 0; n < 1_000; n++) table.add(["", ""]);
    expect([table.at(127), table.at(128)]).toEqual([["", ""], undefined]);
  });

  it("is emptied by a field that is larger", () => {
    const table = new DynamicTable(100);
    table.add(["a", "b"]);
    table.add(["c", "v".repeat(67)]);
    expect(table.at(0)).toEqual(["c", "v".repeat(67)]);
    table.add(["c", "v".repeat(68)]);
    expect(table.at(0)).toBeUndefined();
  });
});

/** The count of the fields of an encoded message. */
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchRequestSchema, InvalidateRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { hasMoreFields } from "../../src/codec/field-count.ts";

const keys = (count: number) => ({
  target: { case: "keys" as const, value: { keys: Array.from({ length: count }, () => "k") } },
});

describe("hasMoreFields()", () => {
  it("counts the fields of nested messages", () => {
    // The target, and four keys.
    const bytes = toBinary(InvalidateRequestSchema, create(InvalidateRequestSchema, keys(4)));
    expect(hasMoreFields(InvalidateRequestSchema, bytes, 5)).toBe(false);
    expect(hasMoreFields(InvalidateRequestSchema, bytes, 4)).toBe(true);
  });

  it("counts every field of a batch once, whatever is in it", () => {
    const counts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(counts, (sizes) => {
        const operations = sizes.map((count) => ({
          operation: { case: "invalidate" as const, value: keys(count) },
        }));
        const bytes = toBinary(
          BatchRequestSchema,
          create(BatchRequestSchema, { namespace: "n", operations }),
        );
        const fields = sizes.reduce((sum, count) => sum + 3 + count, 1);
        return (
          !hasMoreFields(BatchRequestSchema, bytes, fields) &&
          hasMoreFields(BatchRequestSchema, bytes, fields - 1)
        );
      }),
    );
  });

  it("counts repetitions of one field, groups, and fields that nobody knows", () => {
    const repeated = Buffer.from("1a001a001a001a00", "hex");
    const groups = Buffer.from("fb07fc07fb07fc07", "hex");
    const unknown = Buffer.from("f80701f9070000000000000000fd0700000000f80701", "hex");
    for (const bytes of [repeated, groups, unknown]) {
      expect(hasMoreFields(BatchRequestSchema, bytes, 3)).toBe(true);
      expect(hasMoreFields(BatchRequestSchema, bytes, 6)).toBe(false);
    }
  });

  it("leaves groups that are nested too deeply to the decoder, which refuses them", () => {
    const bytes = Buffer.alloc(2_000, Buffer.from("fb07", "hex"));
    expect(hasMoreFields(BatchRequestSchema, bytes, 500)).toBe(false);
  });

  it("ends for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 0, max: 50 }), (bytes, maxFields) => {
        return typeof hasMoreFields(BatchRequestSchema, bytes, maxFields) === "boolean";
      }),
    );
  });
});

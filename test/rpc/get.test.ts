/** The response to a Get: the same bytes, whether the hand codec or the generated one writes it. */
import { create, equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GetResponseSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { encodeFast } from "../../src/codec/fast/codecs.ts";
import { StoredGetResponse } from "../../src/rpc/get.ts";
import type { EntryView, GetResult, Stamp } from "../../src/store/api/store.ts";

const whole = fc.oneof(fc.constant(0), fc.nat(300), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER));
const uint64 = fc.oneof(fc.constant(0n), fc.bigInt(0n, 2n ** 64n - 1n));
const asOf: fc.Arbitrary<Stamp> = fc.record({ shard: fc.nat(65_535), revision: whole });
const entry: fc.Arbitrary<EntryView> = fc.record({
  value: fc.uint8Array({ maxLength: 300 }),
  version: whole,
  sourceVersion: uint64,
  ttlRemainingMs: whole,
  staleRemainingMs: whole,
  stale: fc.boolean(),
  ageMs: whole,
  absent: fc.boolean(),
  tags: fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { maxLength: 4 }),
  contentType: fc.string({ maxLength: 20 }),
  contentEncoding: fc.constantFrom("", "zstd"),
});
const result: fc.Arbitrary<GetResult> = fc.oneof(
  fc.record({ kind: fc.constant("hit" as const), asOf, entry }),
  fc.record({ kind: fc.constant("notModified" as const), asOf, entry }),
  fc.record({ kind: fc.constant("miss" as const), asOf }),
);

describe("StoredGetResponse", () => {
  it("writes itself as the generated codec writes the same message", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(result, uint64), { minLength: 1, maxLength: 5 }), (answers) => {
        for (const [stored, epoch] of answers) {
          const response = new StoredGetResponse(stored, epoch);
          const message = create(GetResponseSchema, { asOf: response.asOf, outcome: response.outcome });
          const expected = toBinary(GetResponseSchema, message);
          expect(encodeFast(GetResponseSchema, response)).toEqual(Buffer.from(expected));
          expect(equals(GetResponseSchema, fromBinary(GetResponseSchema, expected), message)).toBe(true);
          expect(toBinary(GetResponseSchema, response)).toEqual(expected);
        }
      }),
      { numRuns: 500 },
    );
  });
});

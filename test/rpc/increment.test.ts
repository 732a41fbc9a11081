/** The response that writes itself: its bytes are those of the generated encoder, for every result. */
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { IncrementResponseSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { encodeFast } from "../../src/codec/fast/codecs.ts";
import { StoredIncrementResponse } from "../../src/rpc/increment.ts";
import type { IncrementRefusal, IncrementResult } from "../../src/store/api/store.ts";

const asOf = fc.record({ shard: fc.nat(1_023), revision: fc.maxSafeNat() });
const refusals: readonly IncrementRefusal[] = [
  "exists",
  "absent",
  "versionMismatch",
  "notACounter",
  "overflow",
];
const int64 = fc.oneof(
  fc.constantFrom(0n, -1n, 2n ** 51n, -(2n ** 51n), 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -300n, max: 300n }),
);
const result: fc.Arbitrary<IncrementResult> = fc.oneof(
  fc.record({
    kind: fc.constant("incremented"),
    asOf,
    value: int64,
    version: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
    ttlRemainingMs: fc.oneof(fc.constant(0), fc.nat(31_536_000_000)),
    created: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("notIncremented"), asOf, reason: fc.constantFrom(...refusals) }),
);

it("writes any result as the generated encoder does", () => {
  fc.assert(
    fc.property(result, fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }), (of, epoch) => {
      const response = new StoredIncrementResponse(of, epoch);
      const plain = create(IncrementResponseSchema, { asOf: response.asOf, outcome: response.outcome });
      const expected = Buffer.from(toBinary(IncrementResponseSchema, plain));
      expect(encodeFast(IncrementResponseSchema, response)).toEqual(expected);
      expect(Buffer.from(toBinary(IncrementResponseSchema, response))).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

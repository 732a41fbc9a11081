/** A batch in chunks: together they have the results of one message, and none is larger than a message may be. */
import { create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  BatchResponseSchema,
  ExchangeResponseSchema,
  type OperationResult,
  type OperationSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { encodeExchangeResponse } from "../../../src/codec/event-frames.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import { runBatch } from "../../../src/server/operations/batch.ts";
import { createBatchChunks } from "../../../src/server/operations/batch-chunks.ts";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

type Operation = NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>;

const caller = { span: { traceparent: "", sampled: false, set() {}, end() {} }, clientId: "me" };
const UINT64_MAX = 2n ** 64n - 1n;

const key = fc.constantFrom("a", "b", "c", "");
const tags = fc.uniqueArray(fc.constantFrom("t", "äöü", "\u{1f600}".repeat(8)), { maxLength: 3 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({
    case: fc.constant("set" as const),
    value: fc.record({
      key,
      value: fc.integer({ min: 0, max: 2_000 }).map((bytes) => new Uint8Array(bytes)),
      tags,
      sourceVersion: fc.constantFrom(0n, UINT64_MAX),
      ttlMs: fc.constantFrom(0n, 86_400_000n),
      contentType: fc.constantFrom("", "x".repeat(128)),
    }),
  }),
  fc.record({ case: fc.constant("get" as const), value: fc.record({ key, allowStale: fc.boolean() }) }),
  fc.record({ case: fc.constant("lease" as const), value: fc.record({ key }) }),
  fc.record({ case: fc.constant("touch" as const), value: fc.record({ key }) }),
  fc.record({
    case: fc.constant("invalidate" as const),
    value: fc.record({
      mode: fc.constantFrom(1, 2),
      target: fc.record({ case: fc.constant("tags" as const), value: tags.map((all) => ({ tags: all })) }),
    }),
  }),
);

const depsWith = (sendMaxBytes: number) => {
  const rng = createSeededRng(1);
  return {
    store: createStore({ clock: new ManualClock(), rng, shards: 2 }),
    limits: resolveLimits({ sendMaxBytes, valueMaxBytes: 2_000 }),
    telemetry: createNoTelemetry(),
    boundary: loudBoundary,
  };
};

describe("createBatchChunks()", () => {
  it("returns the results that one message would have, in frames of at most sendMaxBytes", () => {
    fc.assert(
      fc.property(
        fc.array(operation, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 2_000, max: 6_000 }),
        fc.integer({ min: 1, max: 8_000 }),
        (operations, sendMaxBytes, chunkMaxBytes) => {
          const request = create(BatchRequestSchema, {
            namespace: "n",
            operations: operations.map((one) => ({ operation: one })),
          });
          const chunks = createBatchChunks(request, caller, depsWith(sendMaxBytes), chunkMaxBytes);
          const results: OperationResult[] = [];
          while (!chunks.done()) {
            const chunk = chunks.next();
            expect(chunk.results.length).toBeGreaterThan(0);
            results.push(...chunk.results);
            const frame = create(ExchangeResponseSchema, {
              id: UINT64_MAX,
              sequence: UINT64_MAX,
              more: true,
              frame: { case: "batch", value: chunk },
            });
            expect(encodeExchangeResponse(frame).message.length).toBeLessThanOrEqual(sendMaxBytes);
          }
          if (results.some(({ result }) => result.case === "error" && result.value.code === 8)) return;
          runBatch(request, caller, depsWith(1 << 20), (whole) => {
            const together = create(BatchResponseSchema, { results });
            expect(equals(BatchResponseSchema, together, whole)).toBe(true);
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it("refuses too many operations before it runs any", () => {
    const deps = depsWith(4_000);
    const operations = Array.from({ length: 1_025 }, () => ({
      operation: { case: "touch" as const, value: { key: "k" } },
    }));
    const request = create(BatchRequestSchema, { namespace: "n", operations });
    expect(() => createBatchChunks(request, caller, deps, 1_000)).toThrow("operations");
  });
});

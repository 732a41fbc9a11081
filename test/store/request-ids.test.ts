/** Remembered answers against a plain list, through three views of one region. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RequestIds, requestIdMs, requestIdsBytes } from "../../src/store/request-ids.ts";
import { createFingerprint } from "../../src/store/shared/fingerprint.ts";
import { createRegion } from "../../src/store/shared/region.ts";
import type { SetResult } from "../../src/store/store.ts";

const fingerprintOf = createFingerprint([1n, 2n]);
const shard = 7;

function newIds(maxCount: number): RequestIds {
  return new RequestIds(createRegion(requestIdsBytes(maxCount)), fingerprintOf, maxCount, shard);
}

const result: fc.Arbitrary<SetResult> = fc
  .record({
    revision: fc.oneof(fc.nat(), fc.constant(2 ** 48)),
    reason: fc.constantFrom(
      undefined,
      "exists" as const,
      "absent" as const,
      "versionMismatch" as const,
      "leaseLost" as const,
      "olderSourceVersion" as const,
    ),
  })
  .map(({ revision, reason }) =>
    reason === undefined
      ? { kind: "stored", asOf: { shard, revision }, version: revision }
      : { kind: "notStored", asOf: { shard, revision }, reason },
  );

describe("RequestIds", () => {
  it("tells keys and ids apart whose digits run together", () => {
    const ids = newIds(8);
    const stored: SetResult = { kind: "stored", asOf: { shard, revision: 1 }, version: 1 };
    ids.remember("1", "2", 3n, stored, 0);
    expect(ids.answer("1", "2", 3n, 0)).toEqual(stored);
    for (const [namespace, key, id] of [
      ["1", "2", 4n],
      ["2", "1", 3n],
      ["1", "3:2", 0n],
      ["", "2", 31n],
      ["12", "", 3n],
    ] as const) {
      expect(ids.answer(namespace, key, id, 0)).toBeUndefined();
    }
  });

  it("is a plain list, over any history and through any of three views", () => {
    const steps = fc.array(
      fc.record({
        view: fc.nat(2),
        namespace: fc.constantFrom("a", "b"),
        key: fc.constantFrom("k", "ключ"),
        requestId: fc.constantFrom(1n, 2n, 2n ** 64n - 1n),
        result,
        passedMs: fc.constantFrom(0, 1, 25_000, requestIdMs - 1, requestIdMs),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), steps, (maxCount, history) => {
        const region = createRegion(requestIdsBytes(maxCount));
        const views = [0, 1, 2].map(() => new RequestIds(region, fingerprintOf, maxCount, shard));
        let model: { step: (typeof history)[number]; untilMs: number }[] = [];
        let nowMs = 0;
        for (const step of history) {
          nowMs += step.passedMs;
          const isAnotherThan = (one: typeof step) =>
            one.namespace !== step.namespace || one.key !== step.key || one.requestId !== step.requestId;
          views[step.view]?.remember(step.namespace, step.key, step.requestId, step.result, nowMs);
          model = [...model.filter((one) => isAnotherThan(one.step)), { step, untilMs: nowMs + requestIdMs }]
            .slice(-maxCount)
            .filter((one) => nowMs < one.untilMs);
          const reader = views[(step.view + 1) % 3];
          expect(reader?.count).toBe(model.length);
          for (const asked of history) {
            for (const atMs of [nowMs, nowMs + 30_000]) {
              const known = model.find(
                (one) =>
                  one.step.namespace === asked.namespace &&
                  one.step.key === asked.key &&
                  one.step.requestId === asked.requestId &&
                  atMs < one.untilMs,
              );
              expect(reader?.answer(asked.namespace, asked.key, asked.requestId, atMs)).toEqual(
                known?.step.result,
              );
            }
          }
        }
      }),
    );
  });
});

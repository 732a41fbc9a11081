/** Remembered answers against a plain list, through three views of one region. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SetResult } from "../../../src/store/api/store.ts";
import { REQUEST_ID_MS, RequestIds, requestIdsBytes } from "../../../src/store/engine/request-ids.ts";
import { createFingerprint } from "../../../src/store/hashing/fingerprint.ts";
import { createRegion } from "../../../src/store/shm/region.ts";
import { createNamespaceViews } from "../../support/test-namespaces.ts";

const fingerprintOf = createFingerprint([1n, 2n]);
const shard = 7;

/** Views of one region, as threads have them. */
function createViews(maxCount: number, views: number, pruned = (): void => {}): RequestIds[] {
  const tables = createNamespaceViews(fingerprintOf, views);
  const region = createRegion(requestIdsBytes(maxCount, tables[0]?.records ?? 0));
  return tables.map(
    (namespaces) => new RequestIds(region, maxCount, { shard, fingerprintOf, namespaces, pruned }),
  );
}

function newIds(maxCount: number, pruned = (): void => {}): RequestIds {
  const [ids] = createViews(maxCount, 1, pruned);
  if (ids === undefined) throw new Error("one view");
  return ids;
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

const stored: SetResult = { kind: "stored", asOf: { shard, revision: 1 }, version: 1 };

/** What is remembered, without a Set that would be. */
function answerOf(
  ids: RequestIds,
  namespace: string,
  key: string,
  requestId: bigint,
  nowMs: number,
): SetResult | undefined {
  const unknown = new Error("not remembered");
  try {
    return ids.once(8, { namespace, key, requestId }, nowMs, () => {
      throw unknown;
    });
  } catch (error) {
    expect(error).toBe(unknown);
    return undefined;
  }
}

describe("RequestIds", () => {
  it("tells keys and ids apart whose digits run together", () => {
    const ids = newIds(8);
    ids.once(8, { namespace: "1", key: "2", requestId: 3n }, 0, () => stored);
    expect(answerOf(ids, "1", "2", 3n, 0)).toEqual(stored);
    for (const [namespace, key, id] of [
      ["1", "2", 4n],
      ["2", "1", 3n],
      ["1", "3:2", 0n],
      ["", "2", 31n],
      ["12", "", 3n],
    ] as const) {
      expect(answerOf(ids, namespace, key, id, 0)).toBeUndefined();
    }
  });

  it("remembers the right one although others are asked for while it is answered, and nothing of what throws", () => {
    const ids = newIds(8);
    const answer = ids.once(8, { namespace: "n", key: "k", requestId: 1n }, 0, () => {
      fingerprintOf("n", "another", 2n);
      return stored;
    });
    expect(answer).toBe(stored);
    expect(answerOf(ids, "n", "k", 1n, 0)).toEqual(stored);
    expect(answerOf(ids, "n", "another", 2n, 0)).toBeUndefined();
    expect(ids.count).toBe(1);
  });

  it("is a plain list, over any history and through any of three views", () => {
    const steps = fc.array(
      fc.record({
        view: fc.nat(2),
        namespace: fc.constantFrom("a", "b"),
        key: fc.constantFrom("k", "ключ"),
        requestId: fc.constantFrom(1n, 2n, 2n ** 64n - 1n),
        result,
        passedMs: fc.constantFrom(0, 1, 25_000, REQUEST_ID_MS - 1, REQUEST_ID_MS),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), steps, (maxCount, history) => {
        const views = createViews(maxCount, 3);
        let model: { step: (typeof history)[number]; untilMs: number }[] = [];
        let nowMs = 0;
        for (const step of history) {
          nowMs += step.passedMs;
          const isAnotherThan = (one: typeof step) =>
            one.namespace !== step.namespace || one.key !== step.key || one.requestId !== step.requestId;
          const known = model.find((one) => !isAnotherThan(one.step) && nowMs < one.untilMs);
          const answer = views[step.view]?.once(8, step, nowMs, () => step.result);
          expect(answer).toEqual(known?.step.result ?? step.result);
          if (known === undefined) {
            model = [
              ...model.filter((one) => isAnotherThan(one.step)),
              { step, untilMs: nowMs + REQUEST_ID_MS },
            ]
              .slice(-maxCount)
              .filter((one) => nowMs < one.untilMs);
          }
          const reader = views[(step.view + 1) % 3];
          if (reader === undefined) throw new Error("three views");
          if (known === undefined) expect(reader.count).toBe(model.length);
          for (const asked of history) {
            for (const atMs of [nowMs, nowMs + 30_000]) {
              const known = model.find(
                (one) =>
                  one.step.namespace === asked.namespace &&
                  one.step.key === asked.key &&
                  one.step.requestId === asked.requestId &&
                  atMs < one.untilMs,
              );
              expect(answerOf(reader, asked.namespace, asked.key, asked.requestId, atMs)).toEqual(
                known?.step.result,
              );
            }
          }
        }
      }),
    );
  });
});

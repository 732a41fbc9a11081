/** Remembered answers against a plain list, through three views of one region. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { IncrementResult, SetResult } from "../../../src/store/api/store.ts";
import { INCREMENT_ANSWERS, SET_ANSWERS } from "../../../src/store/engine/request-answers.ts";
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

const setResult: fc.Arbitrary<SetResult> = fc
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

const incrementResult: fc.Arbitrary<IncrementResult> = fc
  .record({
    revision: fc.oneof(fc.nat(), fc.constant(2 ** 48)),
    value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    ttlRemainingMs: fc.constantFrom(0, 1, 5, 30_000, 2 ** 38),
    created: fc.boolean(),
    reason: fc.constantFrom(
      ...[undefined, undefined],
      "exists" as const,
      "absent" as const,
      "versionMismatch" as const,
      "notACounter" as const,
      "overflow" as const,
    ),
  })
  .map(({ revision, reason, ...done }) =>
    reason === undefined
      ? { kind: "incremented", asOf: { shard, revision }, version: revision, ...done }
      : { kind: "notIncremented", asOf: { shard, revision }, reason },
  );

type Result = SetResult | IncrementResult;

const isIncrement = (result: Result): result is IncrementResult =>
  result.kind === "incremented" || result.kind === "notIncremented";

/** The answer when it is asked for again. A TTL goes on meanwhile. */
function again(result: Result, passedMs: number): Result {
  if (result.kind !== "incremented" || result.ttlRemainingMs === 0) return result;
  return { ...result, ttlRemainingMs: Math.max(1, result.ttlRemainingMs - passedMs) };
}

interface Asked {
  readonly namespace: string;
  readonly key: string;
  readonly requestId: bigint;
}

/** As `RequestIds.once`, of the kind that `like` has. */
function once(ids: RequestIds, asked: Asked, nowMs: number, like: Result, run: () => Result): Result {
  const wrong = () => new Error("an answer of another kind");
  if (isIncrement(like)) {
    return ids.once(8, asked, nowMs, INCREMENT_ANSWERS, () => {
      const result = run();
      if (!isIncrement(result)) throw wrong();
      return result;
    });
  }
  return ids.once(8, asked, nowMs, SET_ANSWERS, () => {
    const result = run();
    if (isIncrement(result)) throw wrong();
    return result;
  });
}

const stored: SetResult = { kind: "stored", asOf: { shard, revision: 1 }, version: 1 };

/** What is remembered, without an operation that would be. */
function answerOf(
  ids: RequestIds,
  namespace: string,
  key: string,
  requestId: bigint,
  nowMs: number,
  like: Result = stored,
): Result | undefined {
  const unknown = new Error("not remembered");
  try {
    return once(ids, { namespace, key, requestId }, nowMs, like, () => {
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
    ids.once(8, { namespace: "1", key: "2", requestId: 3n }, 0, SET_ANSWERS, () => stored);
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
    const answer = ids.once(8, { namespace: "n", key: "k", requestId: 1n }, 0, SET_ANSWERS, () => {
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
        result: fc.oneof(setResult, incrementResult),
        passedMs: fc.constantFrom(0, 1, 25_000, REQUEST_ID_MS - 1, REQUEST_ID_MS),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), steps, (maxCount, history) => {
        const views = createViews(maxCount, 3);
        let model: { step: (typeof history)[number]; atMs: number; untilMs: number }[] = [];
        let nowMs = 0;
        for (const step of history) {
          nowMs += step.passedMs;
          const isAnotherThan = (one: typeof step) =>
            one.namespace !== step.namespace ||
            one.key !== step.key ||
            one.requestId !== step.requestId ||
            isIncrement(one.result) !== isIncrement(step.result);
          const known = model.find((one) => !isAnotherThan(one.step) && nowMs < one.untilMs);
          const view = views[step.view];
          if (view === undefined) throw new Error("three views");
          const answer = once(view, step, nowMs, step.result, () => step.result);
          expect(answer).toEqual(known ? again(known.step.result, nowMs - known.atMs) : step.result);
          if (known === undefined) {
            model = [
              ...model.filter((one) => isAnotherThan(one.step)),
              { step, atMs: nowMs, untilMs: nowMs + REQUEST_ID_MS },
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
                  isIncrement(one.step.result) === isIncrement(asked.result) &&
                  atMs < one.untilMs,
              );
              const { namespace, key, requestId, result } = asked;
              expect(answerOf(reader, namespace, key, requestId, atMs, result)).toEqual(
                known && again(known.step.result, atMs - known.atMs),
              );
            }
          }
        }
      }),
    );
  });
});

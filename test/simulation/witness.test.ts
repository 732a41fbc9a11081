import { describe, expect, it } from "vitest";
import type { Moment } from "./history.ts";
import { createTruth } from "./truth.ts";
import { earliestWitness, type Observed, type Window } from "./witness.ts";

const at = (order: number): Moment => ({ order, atMs: order * 10 });
const fresh = (value: string): Observed => ({ kind: "value", value, stale: false });
const miss: Observed = { kind: "miss" };

/** The key holds "a" from 1, "b" from 3, and nothing from 5. */
function history() {
  const truth = createTruth(["k"]);
  truth.restarted(7n, at(0));
  const held = { sourceVersion: 0n, tags: ["t"] };
  truth.stored("k", { ...held, value: "a", version: 1 }, { ttlMs: 0, staleMs: 0 }, 0, at(1));
  truth.stored("k", { ...held, value: "b", version: 2 }, { ttlMs: 15, staleMs: 0 }, 0, at(3));
  const target = { kind: "tags", tags: ["t"] } as const;
  const invalidation = { moment: at(5), namespace: "n", target, soft: false, sourceVersion: 0n, origin: "" };
  truth.invalidated(invalidation, () => ({ shard: 0, revision: 3 }));
  return truth;
}

const window = (from: number, to: number, more: Partial<Window> = {}): Window => ({
  from: at(from),
  to: at(to),
  afterMs: -1,
  livesAtMs: -1,
  ...more,
});

describe("earliestWitness()", () => {
  const spells = history().spells("k");

  it("finds the first moment of the window that agrees", () => {
    expect(earliestWitness(spells, fresh("a"), window(0, 9))).toEqual(at(1));
    expect(earliestWitness(spells, fresh("a"), window(2, 9))).toEqual(at(2));
    expect(earliestWitness(spells, miss, window(3, 9))).toEqual({ order: 3, atMs: 45 });
  });

  it("finds none after what was read had ended", () => {
    expect(earliestWitness(spells, fresh("a"), window(3, 9))).toBeUndefined();
    expect(earliestWitness(spells, fresh("b"), window(5, 9))).toBeUndefined();
    expect(earliestWitness(spells, fresh("b"), window(0, 2))).toBeUndefined();
  });

  it("asks for a moment later than t - L, and at t - L exactly it is too old", () => {
    expect(earliestWitness(spells, fresh("a"), window(0, 9, { afterMs: 29 }))).toBeDefined();
    expect(earliestWitness(spells, fresh("a"), window(0, 9, { afterMs: 30 }))).toBeUndefined();
  });

  it("asks for a lifetime that still runs, and at its end exactly it does not", () => {
    expect(earliestWitness(spells, fresh("b"), window(3, 9, { livesAtMs: 44 }))).toBeDefined();
    expect(earliestWitness(spells, fresh("b"), window(3, 9, { livesAtMs: 45 }))).toBeUndefined();
  });

  it("takes a miss past the TTL for one, and not before", () => {
    expect(earliestWitness(spells, miss, window(3, 4))).toBeUndefined();
    expect(earliestWitness(spells, miss, { ...window(3, 4), to: { order: 4, atMs: 45 } })).toBeDefined();
  });
});

/** What AdminService tells of namespaces: the most active by name, the rest together, never more than it may. */
import { describe, expect, it } from "vitest";
import { toNamespaceStats } from "../../src/rpc/stats.ts";
import type { NamespaceUsage } from "../../src/store/api/store.ts";
import { sumOfUsages, toCounters } from "../../src/store/api/usage.ts";

function usageOf(namespace: string | undefined, sets: number): NamespaceUsage {
  const counters = toCounters((name) => (name === "sets" ? sets : 0));
  return { ...sumOfUsages([]), namespace, entries: sets, bytes: 100 * sets, counters };
}

const shown = (usages: readonly NamespaceUsage[], max: number) =>
  toNamespaceStats(usages, max).map(({ namespace, entries, operations }) => [
    namespace,
    Number(entries),
    Number(operations?.sets),
  ]);

describe("toNamespaceStats()", () => {
  it("names those with the most reads and Sets, and adds up the rest", () => {
    const usages = [usageOf("a", 1), usageOf("b", 3), usageOf("c", 2), usageOf(undefined, 10)];
    expect(shown(usages, 2)).toEqual([
      ["b", 3, 3],
      ["c", 2, 2],
      ["", 11, 11],
    ]);
  });

  it("names 100 by default and 1,000 at most, however many there are", () => {
    const usages = Array.from({ length: 3_000 }, (_, at) => usageOf(`n${at}`, at));
    expect([0, 5, 1_000_000].map((max) => shown(usages, max).length)).toEqual([101, 6, 1_001]);
    expect(shown(usages, 0).reduce((sum, [, , sets]) => sum + Number(sets), 0)).toBe((3_000 * 2_999) / 2);
  });

  it("tells bounds in bytes, and 0 where there is none", () => {
    const bounded = { ...usageOf("a", 1), ceilingBytes: 4_096, floorBytes: 1_024 };
    const [a, others] = toNamespaceStats([bounded], 0);
    expect([a?.ceilingBytes, a?.floorBytes]).toEqual([4_096n, 1_024n]);
    expect([others?.ceilingBytes, others?.floorBytes]).toEqual([0n, 0n]);
  });
});

/** Which namespaces metrics name, and that no counter of them or of the others ever goes down. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NamespaceUsage } from "../../src/store/api/store.ts";
import { NAMESPACE_COUNTERS, sumOfUsages, toCounters } from "../../src/store/api/usage.ts";
import { NamedNamespaces } from "../../src/telemetry/named-namespaces.ts";

function usageOf(namespace: string | undefined, hits: number, entries = 1): NamespaceUsage {
  const counters = toCounters((name) => (name === "hits" ? hits : 0));
  return { ...sumOfUsages([]), namespace, entries, bytes: entries * 100, counters };
}

const hitsOf = (usages: readonly NamespaceUsage[]): Record<string, number> =>
  Object.fromEntries(usages.map(({ namespace, counters }) => [namespace, counters.hits]));

describe("NamedNamespaces", () => {
  it("names the twenty with the most reads, and keeps their names", () => {
    const named = new NamedNamespaces();
    const many = Array.from({ length: 30 }, (_, at) => usageOf(`n${at}`, 100 + at));
    const first = named.read([...many, usageOf(undefined, 5, 0)]);
    expect(first).toHaveLength(21);
    expect(hitsOf(first)).toMatchObject({ n29: 129, n10: 110, other: 5 + 10 * 100 + 45 });
    expect(first.at(-1)).toMatchObject({ namespace: "other", entries: 10, bytes: 1_000 });
    const busier = many.map((usage, at) => usageOf(usage.namespace, at < 10 ? 10_000 : 200));
    expect(hitsOf(named.read([...busier, usageOf(undefined, 5, 0)]))).toMatchObject({ n29: 200, n10: 200 });
  });

  it("gives the name of one that the store has forgotten to another", () => {
    const named = new NamedNamespaces();
    const many = Array.from({ length: 21 }, (_, at) => usageOf(`n${at}`, 100 - at));
    named.read(many);
    const later = named.read([...many.slice(1), usageOf(undefined, 100, 0)]);
    expect(hitsOf(later)).toMatchObject({ n20: 0, other: 180 });
    expect(later.map(({ namespace }) => namespace)).not.toContain("n0");
  });

  it("counts a namespace named like the others among them", () => {
    expect(hitsOf(new NamedNamespaces().read([usageOf("other", 3), usageOf("n", 2)]))).toEqual({
      n: 2,
      other: 3,
    });
  });

  it("never lets a counter go down, and tells all that happened, whatever the store forgets", () => {
    const steps = fc.array(fc.record({ name: fc.nat(24), hits: fc.nat(9), forgets: fc.boolean() }), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (history) => {
        const named = new NamedNamespaces();
        const counts = new Map<string, number>();
        let rest = 0;
        let happened = 0;
        let former: Readonly<Record<string, number>> = {};
        for (const { name, hits, forgets } of history) {
          const namespace = `n${name}`;
          if (forgets) {
            rest += counts.get(namespace) ?? 0;
            counts.delete(namespace);
          } else {
            counts.set(namespace, (counts.get(namespace) ?? 0) + hits);
            happened += hits;
          }
          const told = hitsOf(
            named.read([...[...counts].map(([one, count]) => usageOf(one, count)), usageOf(undefined, rest)]),
          );
          for (const [one, count] of Object.entries(told))
            expect(count).toBeGreaterThanOrEqual(former[one] ?? 0);
          expect(Object.values(told).reduce((sum, count) => sum + count, 0)).toBe(happened);
          former = told;
        }
      }),
    );
    expect(NAMESPACE_COUNTERS).toContain("hits");
  });
});

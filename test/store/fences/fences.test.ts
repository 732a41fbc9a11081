/** Fences against a plain list of all invalidations, through three views of one region, within their bounds and beyond. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KEY_LIMIT_BYTES, NAMESPACE_LIMIT_BYTES } from "../../../src/common/name-limits.ts";
import { LIMIT_BOUNDS } from "../../../src/rpc/limits.ts";
import type { TableEntry } from "../../../src/store/api/table.ts";
import { NAMESPACE_FENCES_MAX } from "../../../src/store/fences/fence-order.ts";
import { Fences, fencesBytes } from "../../../src/store/fences/fences.ts";
import { createFingerprint } from "../../../src/store/hashing/fingerprint.ts";
import type { NamespaceTable } from "../../../src/store/namespaces/namespace-table.ts";
import { CounterRow, countersBytes, totalsOf } from "../../../src/store/shm/counters.ts";
import { createRegion } from "../../../src/store/shm/region.ts";
import { fencedEntry } from "../../support/fenced-entry.ts";
import { createNamespaceViews } from "../../support/test-namespaces.ts";

const NO_LEASE = Infinity;
const COVERS = ["none", "soft", "hard"] as const;

interface View {
  readonly fences: Fences;
  readonly namespaces: NamespaceTable;
}

interface Asked {
  readonly key?: string;
  readonly tags?: readonly string[];
  readonly view?: number;
}

class Driver {
  readonly counters;
  revision = 1;
  readonly #views: readonly View[];

  constructor(bounds: { tags?: number; prefixes?: number; namespaces?: number } = {}) {
    const fingerprintOf = createFingerprint([1n, 2n]);
    const tables = createNamespaceViews(fingerprintOf, 3, bounds.namespaces ?? 8);
    const limits = {
      tagFencesMax: bounds.tags ?? 1_000,
      prefixFencesMax: bounds.prefixes ?? 1_000,
      budgetBytes: 65_536,
    };
    const region = createRegion(fencesBytes(limits, tables[0]?.records ?? 0));
    const counts = createRegion(countersBytes(1));
    const counters = new CounterRow(counts, 0);
    this.counters = totalsOf(counts, 1);
    this.#views = tables.map((namespaces) => ({
      namespaces,
      fences: new Fences({ region, limits, fingerprintOf, namespaces, counters, seed: 5n }),
    }));
  }

  view(at = 0): View {
    const view = this.#views[at % this.#views.length];
    if (view === undefined) throw new Error("there are three");
    return view;
  }

  /** Accounts an entry with these tags, so that their invalidation needs fences. */
  hold(namespace: string, tags: readonly string[]): void {
    const { fences, namespaces } = this.view();
    const record = namespaces.claim(namespace);
    namespaces.chargeEntry(record, 1, 1);
    for (const tag of tags) {
      const bytes = Buffer.from(tag);
      fences.tagCounts.count(record, bytes, 0, bytes.length, 1);
    }
  }

  raise(namespace: string, what: { tag?: string; prefix?: string; soft?: boolean; view?: number }): number {
    const { fences, namespaces } = this.view(what.view);
    const { soft = false } = what;
    const revision = ++this.revision;
    const record = namespaces.claim(namespace);
    const raised = { record, namespace, soft, revision, nowMs: revision * 1_000 };
    if (what.tag === undefined) fences.raisePrefix(raised, what.prefix ?? "");
    else fences.raiseTag(raised, what.tag, NO_LEASE);
    return revision;
  }

  entry(namespace: string, version: number, { key = "k", tags = [] }: Asked = {}): TableEntry {
    const record = this.view().namespaces.find(namespace);
    return fencedEntry({ record, namespace, version, key, tags });
  }

  cover(namespace: string, version: number, asked: Asked = {}): (typeof COVERS)[number] {
    const entry = this.entry(namespace, version, asked);
    const { fences } = this.view(asked.view);
    return version < fences.newestRevision(entry.record) ? fences.cover(entry) : "none";
  }

  sweep(revision = this.revision): void {
    while (!this.view().fences.drop(revision, NO_LEASE));
  }
}

interface Logged {
  readonly revision: number;
  readonly soft: boolean;
  covers(namespace: string, key: string, tags: readonly string[]): boolean;
}

function truthOf(
  log: readonly Logged[],
  version: number,
  covers: (one: Logged) => boolean,
): (typeof COVERS)[number] {
  const covering = log.filter((one) => version < one.revision && covers(one));
  if (covering.length === 0) return "none";
  return covering.every((one) => one.soft) ? "soft" : "hard";
}

/** The first two in their order that have the longest common prefix. */
function mostCommonOf(prefixes: readonly string[]): {
  readonly of: readonly string[];
  readonly prefix: string;
} {
  const sorted = prefixes.toSorted((one, other) => (one < other ? -1 : 1));
  let best: { of: readonly string[]; prefix: string } | undefined;
  for (const [at, other] of sorted.entries()) {
    const one = sorted[at - 1];
    if (one === undefined) continue;
    let length = 0;
    while (length < one.length && one[length] === other[length]) length++;
    const prefix = one.slice(0, length).replace(/[\ud800-\udbff]$/, "");
    if (best === undefined || prefix.length > best.prefix.length) best = { of: [one, other], prefix };
  }
  if (best === undefined) throw new RangeError("a merge takes two");
  return best;
}

const name = fc.constantFrom("", "a", "ab", "abc", "b", "ключ", "😀", "😁");
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom("tag", "tag", "tag", "prefix", "prefix", "prefix", "all", "sweep"),
    view: fc.nat(2),
    namespace: fc.constantFrom("busy", "busy", "busy", "quiet"),
    name,
    soft: fc.boolean(),
    back: fc.nat(3),
  }),
  { maxLength: 40 },
);

describe("Fences", () => {
  it("keep revisions and times beyond 32 bits", () => {
    const driver = new Driver();
    driver.revision = 2 ** 48;
    driver.hold("n", ["t"]);
    const revision = driver.raise("n", { tag: "t" });
    expect(driver.cover("n", revision - 1, { tags: ["t"] })).toBe("hard");
    expect(driver.view(1).fences.coveredAtMs(driver.entry("n", revision - 1, { tags: ["t"] }))).toBe(
      revision * 1_000,
    );
    expect(driver.cover("n", revision, { tags: ["t"] })).toBe("none");
  });

  it("are a plain list of invalidations, and beyond their bounds cover no less and no other namespace", () => {
    const bound = fc.constantFrom(2, 3, 5, 1_000);
    fc.assert(
      fc.property(bound, bound, fc.boolean(), steps, (tags, prefixes, shares, history) => {
        const driver = new Driver({ tags, prefixes, namespaces: shares ? 1 : 8 });
        for (const held of ["first", "busy", "quiet"]) driver.hold(held, ["", "a", "ab", "abc", "b", "ключ"]);
        const log: Logged[] = [];
        let quiet = 0;
        for (const { kind, namespace, soft, view, back, name } of history) {
          if (kind === "sweep") {
            driver.sweep(driver.revision - back);
            continue;
          }
          // The quiet one stays below an equal share.
          if (namespace === "quiet" && kind !== "all" && ++quiet > 1) continue;
          const prefix = kind === "all" ? "" : name;
          const what = kind === "tag" ? { tag: name, soft, view } : { prefix, soft, view };
          const revision = driver.raise(namespace, what);
          log.push({
            revision,
            soft,
            covers: (one, key, of) =>
              one === namespace && (kind === "tag" ? of.includes(name) : key.startsWith(prefix)),
          });
          for (const asked of ["busy", "quiet"]) {
            for (const key of ["a", "abc", "b", "ключи", "😀", "😁", "-"]) {
              for (const of of [[], ["a"], ["b", "ключ"]]) {
                const is = driver.cover(asked, revision - 1, { key, tags: of, view: view + 1 });
                const must = truthOf(log, revision - 1, (one) => one.covers(asked, key, of));
                const isExact = !shares && (asked === "quiet" || tags + prefixes === 2_000);
                if (isExact) expect(is).toBe(must);
                else expect(COVERS.indexOf(is)).toBeGreaterThanOrEqual(COVERS.indexOf(must));
              }
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("cover what is older until it is swept, whatever else overflows meanwhile", () => {
    const driver = new Driver({ tags: 4, prefixes: 4 });
    driver.hold("n", ["t"]);
    driver.hold("m", ["u"]);
    const revision = driver.raise("n", { tag: "t" });
    driver.raise("m", { prefix: "p/" });
    for (let at = 0; at < 50; at++) {
      driver.hold("n", [`x${at}`]);
      driver.raise("n", { tag: `x${at}` });
      driver.raise("n", { prefix: `x${at}` });
    }
    expect(driver.cover("n", revision - 1, { tags: ["t"] })).toBe("hard");
    expect(driver.cover("m", 1, { key: "p/1", tags: ["u"] })).toBe("hard");
    expect(driver.cover("m", 1, { key: "q", tags: ["u"] })).toBe("none");
    driver.sweep();
    for (const version of [1, revision - 1]) {
      expect(driver.cover("n", version, { key: "x1", tags: ["t"] })).toBe("none");
    }
  });

  describe("of tags", () => {
    it("need no fence for a tag that no entry has", () => {
      const driver = new Driver({ tags: 1_000 });
      driver.hold("n", ["t"]);
      for (let at = 0; at < 9_000; at++) driver.raise("n", { tag: `unknown ${at}` });
      // A few share the counter of the tag that is in use.
      expect(driver.view().fences.tagPressure).not.toBe("many");
      expect(driver.counters.tagFencesPruned).toBe(0);
      expect(driver.cover("n", 1, { tags: ["t"] })).toBe("none");
    });

    it("keep what a lease was granted before, and only as long", () => {
      const { fences, namespaces } = new Driver({ tags: 8 }).view();
      const record = namespaces.claim("n");
      const raised = { record, namespace: "n", soft: false, revision: 5, nowMs: 1 };
      fences.raiseTag(raised, "t", 4);
      expect(fences.anyTagSince(record, "n", ["t"], 4)).toBe(true);
      expect(fences.anyTagSince(record, "n", ["t"], 5)).toBe(false);
      expect(fences.anyTagSince(record, "n", ["u"], 4)).toBe(false);
      fences.raiseTag({ ...raised, revision: 6 }, "u", 5);
      expect(fences.anyTagSince(record, "n", ["t"], 4)).toBe(false);
    });

    it("refuse what is older than a lease's floor, in the namespace that overflowed, also when its record was needed", () => {
      const driver = new Driver({ tags: 4, namespaces: 1 });
      const { fences, namespaces } = driver.view();
      const record = namespaces.claim("n");
      for (let revision = 5; revision < 15; revision++) {
        fences.raiseTag({ record, namespace: "n", soft: false, revision, nowMs: 1 }, `t${revision}`, 4);
      }
      expect(driver.counters.tagFencesPruned).toBe(6);
      expect(fences.anyTagSince(record, "n", ["other"], 4)).toBe(true);
      expect(fences.anyTagSince(record, "n", ["other"], 12)).toBe(false);
      expect(fences.cover(driver.entry("n", 4, { tags: ["other"] }))).toBe("none");
      fences.raiseTag({ record, namespace: "n", soft: false, revision: 15, nowMs: 1 }, "t", NO_LEASE);
      expect(namespaces.claim("m")).toBe(record);
      expect(namespaces.nameOf(record)).toBe("m");
      expect(fences.anyTagSince(namespaces.claim("n"), "n", ["other"], 4)).toBe(true);
    });
  });

  describe("of prefixes", () => {
    it("have room for as many as they may be, of the longest names that a server may allow", () => {
      expect(NAMESPACE_LIMIT_BYTES).toBe(LIMIT_BOUNDS.namespaceMaxBytes.max);
      expect(KEY_LIMIT_BYTES).toBe(LIMIT_BOUNDS.keyMaxBytes.max);
      const driver = new Driver({ prefixes: 3, namespaces: 1 });
      driver.hold("first", []);
      const namespace = `${"н".repeat((NAMESPACE_LIMIT_BYTES - 1) / 2)}n`;
      const prefixes = ["1", "2", "3"].map((end) => `${end}${"😀".repeat(KEY_LIMIT_BYTES / 4 - 1)}key`);
      for (const prefix of prefixes) driver.raise(namespace, { prefix });
      expect(driver.counters.prefixFencesMerged).toBe(0);
      for (const prefix of prefixes) {
        expect(driver.cover(namespace, 1, { key: `${prefix}!`, view: 1 })).toBe("hard");
        // A prefix beyond 1 KiB covers more than it says.
        expect(driver.cover(namespace, 1, { key: prefix.slice(0, 601), view: 1 })).toBe("hard");
        expect(driver.cover(namespace, 1, { key: prefix.slice(0, 101), view: 1 })).toBe("none");
      }
    });

    it("merge to the longest prefix that two have in common, at whole characters", () => {
      const driver = new Driver({ prefixes: 4 });
      for (const prefix of ["a/x/1", "b/", "a/x/2", "c/😀", "d/"]) driver.raise("n", { prefix });
      expect(driver.counters.prefixFencesMerged).toBe(1);
      const keys = ["a/x/3", "a/y", "b/1", "c/😀", "c/😁", "d/", "e"];
      const covers = keys.map((key) => driver.cover("n", 1, { key, view: 1 }));
      expect(covers).toEqual(["hard", "none", "hard", "hard", "none", "hard", "none"]);
      driver.raise("n", { prefix: "c/😁" });
      driver.raise("n", { prefix: "c/😂" });
      expect(driver.cover("n", 1, { key: "c/😃", view: 1 })).toBe("hard");
    });

    it("merge as few texts as they can, in any order of their coming", () => {
      const prefix = fc.string({ unit: fc.constantFrom("a", "b", "😀", "😁"), minLength: 1, maxLength: 5 });
      fc.assert(
        fc.property(fc.uniqueArray(prefix, { minLength: 5, maxLength: 24 }), (prefixes) => {
          const bound = 4;
          const driver = new Driver({ prefixes: bound });
          let kept: string[] = [];
          let isCleared = false;
          for (const [at, prefix] of prefixes.entries()) {
            driver.raise("n", { prefix, view: at });
            kept = kept.filter((one) => !one.startsWith(prefix));
            if (kept.length === bound) {
              const merged = mostCommonOf(kept);
              kept = kept.filter((one) => !merged.of.includes(one));
              if (merged.prefix === "") isCleared = true;
              else kept.push(merged.prefix);
            }
            kept.push(prefix);
            if (isCleared) return;
            for (const key of ["", "a", "b", "ab", "ba", "aab", "😀", "😁", "a😀", "b😁a", ...prefixes]) {
              const must = kept.some((one) => key.startsWith(one)) ? "hard" : "none";
              expect(driver.cover("n", 1, { key, view: at + 1 })).toBe(must);
            }
          }
        }),
      );
    });

    it("compare a read with a bounded number of fences of its own namespace", () => {
      const driver = new Driver();
      for (let at = 0; at < 500; at++) driver.raise("n", { prefix: `${String.fromCodePoint(0x4e00 + at)}/` });
      for (let at = 0; at < 500; at++) driver.raise("m", { prefix: `p/${at}/` });
      const { fences } = driver.view();
      expect(fences.prefixCountOf(driver.view().namespaces.find("m"))).toBeLessThanOrEqual(
        NAMESPACE_FENCES_MAX,
      );
      expect(driver.cover("m", 1, { key: "p/7/" })).toBe("hard");
      expect(driver.cover("m", 1, { key: "q" })).toBe("none");
      expect(driver.cover("o", 1, { key: "p/7/" })).toBe("none");
    });

    it("clear a namespace when all fences are those of others, who have one each", () => {
      const driver = new Driver({ prefixes: 2 });
      for (const namespace of ["n", "m", "o"]) driver.raise(namespace, { prefix: "p/" });
      const covers = ["n", "m", "o"].map((one) => driver.cover(one, 1, { key: "q" }));
      expect(covers).toEqual(["none", "none", "hard"]);
    });
  });

  it("of cleared namespaces are one number each, hard and soft", () => {
    const driver = new Driver({ tags: 1, prefixes: 1 });
    for (let at = 0; at < 8; at++) driver.raise(`n${at}`, { soft: at % 2 === 0 });
    for (let at = 0; at < 8; at++) {
      expect(driver.cover(`n${at}`, 1)).toBe(at % 2 === 0 ? "soft" : "hard");
      expect(driver.cover(`n${at}`, driver.revision)).toBe("none");
    }
    expect([driver.counters.prefixFencesMerged, driver.counters.tagFencesPruned]).toEqual([0, 0]);
  });
});

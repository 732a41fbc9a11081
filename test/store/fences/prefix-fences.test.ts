/** Prefix fences against a plain list, through three views of one region, and the longest that a region holds. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KEY_LIMIT_BYTES, NAMESPACE_LIMIT_BYTES } from "../../../src/common/name-limits.ts";
import { LIMIT_BOUNDS } from "../../../src/rpc/limits.ts";
import { PrefixFences, prefixFencesBytes } from "../../../src/store/fences/prefix-fences.ts";
import { createRegion } from "../../../src/store/shm/region.ts";
import { fencedEntry } from "../../support/fenced-entry.ts";

interface Raised {
  readonly namespace: string | undefined;
  readonly prefix: string;
  readonly soft: boolean;
  readonly revision: number;
  readonly atMs: number;
}

/** What the class promises, with no thought for speed. */
class Model {
  fences: Raised[] = [];
  newestRevision = 0;
  merged = 0;
  readonly #maxCount: number;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  raise(fence: Raised): void {
    const { namespace, prefix, soft } = fence;
    this.fences = this.fences.filter(
      (one) => one.namespace !== namespace || one.prefix !== prefix || one.soft !== soft,
    );
    if (this.fences.length >= this.#maxCount) this.#merge(fence.atMs);
    this.fences.push(fence);
    this.newestRevision = fence.revision;
  }

  cover(namespace: string, key: string, version: number): string {
    if (version >= this.newestRevision) return "none";
    const covering = this.#covering(namespace, key, version);
    if (covering.length === 0) return "none";
    return covering.every((fence) => fence.soft) ? "soft" : "hard";
  }

  coveredAtMs(namespace: string, key: string, version: number): number {
    if (version >= this.newestRevision) return Infinity;
    const hard = this.#covering(namespace, key, version).filter((fence) => !fence.soft);
    return Math.min(Infinity, ...hard.map((fence) => fence.atMs));
  }

  drop(revision: number): void {
    this.fences = this.fences.filter((fence) => fence.revision > revision);
    if (this.newestRevision <= revision) this.newestRevision = 0;
  }

  #covering(namespace: string, key: string, version: number): Raised[] {
    return this.fences.filter(
      (fence) =>
        version < fence.revision &&
        (fence.namespace ?? namespace) === namespace &&
        key.startsWith(fence.prefix),
    );
  }

  /** The namespace whose fences are most becomes one fence; of equals, the one that was there first. */
  #merge(atMs: number): void {
    const sizeOf = (namespace: string | undefined): number =>
      this.fences.filter((fence) => fence.namespace === namespace).length;
    const most = Math.max(...this.fences.map((fence) => sizeOf(fence.namespace)));
    const reached = new Map<string | undefined, number>();
    const largest = this.fences.find(({ namespace }) => {
      reached.set(namespace, (reached.get(namespace) ?? 0) + 1);
      return reached.get(namespace) === most;
    })?.namespace;
    const merging = this.fences.filter((fence) => most === 1 || fence.namespace === largest);
    this.fences = this.fences.filter((fence) => !merging.includes(fence));
    const revision = Math.max(...merging.map((fence) => fence.revision));
    const namespace = most === 1 ? undefined : largest;
    this.fences.push({ namespace, prefix: "", soft: false, revision, atMs });
    this.merged += merging.length;
  }
}

describe("PrefixFences", () => {
  it("has room for as many fences as it may hold, of the longest names that a server may allow", () => {
    expect(NAMESPACE_LIMIT_BYTES).toBe(LIMIT_BOUNDS.namespaceMaxBytes.max);
    expect(KEY_LIMIT_BYTES).toBe(LIMIT_BOUNDS.keyMaxBytes.max);
    for (const maxCount of [1, 2, 5]) {
      let merged = 0;
      const region = createRegion(prefixFencesBytes(maxCount));
      const [fences, reader] = [0, 1].map(
        () => new PrefixFences(region, maxCount, (count) => (merged += count)),
      );
      const names = Array.from({ length: maxCount }, (_, at) => ({
        namespace: `${"н".repeat(NAMESPACE_LIMIT_BYTES / 2 - 1)}n${at}`,
        prefix: `${"😀".repeat(KEY_LIMIT_BYTES / 4 - 1)}key${at}`,
      }));
      names.forEach(({ namespace, prefix }, at) => {
        fences?.raise(namespace, prefix, false, at + 1, 1_000);
      });
      expect([reader?.count, merged]).toEqual([maxCount, 0]);
      for (const { namespace, prefix } of names) {
        const covered = fencedEntry({ namespace, key: `${prefix}!`, version: 0 });
        const other = fencedEntry({ namespace, key: `${prefix.slice(0, -1)}!`, version: 0 });
        expect([reader?.cover(covered), reader?.cover(other)]).toEqual(["hard", "none"]);
      }
      const [longest] = names;
      if (longest === undefined) throw new Error("there is one");
      const { namespace, prefix } = longest;
      fences?.raise(namespace, prefix, true, 9, 1_000);
      expect(merged).toBe(maxCount);
      expect(reader?.cover(fencedEntry({ namespace: "n", version: 0 }))).toBe("hard");
      const covered = fencedEntry({ namespace, key: `${prefix}!`, version: maxCount });
      const other = fencedEntry({ namespace, key: `${prefix.slice(0, -1)}!`, version: maxCount });
      expect([reader?.cover(covered), reader?.cover(other)]).toEqual(["soft", "none"]);
    }
  });

  it("covers more, never less, for names longer than any server allows", () => {
    const fences = new PrefixFences(createRegion(prefixFencesBytes(2)), 2, () => {});
    const longPrefix = "p".repeat(KEY_LIMIT_BYTES + 1);
    fences.raise("n", longPrefix, true, 2, 1_000);
    expect(fences.cover(fencedEntry({ namespace: "n", version: 1 }))).toBe("soft");
    expect(fences.cover(fencedEntry({ namespace: "m", version: 1 }))).toBe("none");
    fences.raise("n".repeat(NAMESPACE_LIMIT_BYTES + 1), "p", false, 3, 1_000);
    expect(fences.cover(fencedEntry({ namespace: "m", version: 1 }))).toBe("hard");
  });

  it("reads an entry's names once, however many fences it is held to", () => {
    const fences = new PrefixFences(createRegion(prefixFencesBytes(64)), 64, () => {});
    for (let at = 0; at < 64; at++) fences.raise("n", `p${at}`, false, at + 2, 1_000);
    let reads = 0;
    const entry = Object.defineProperty(fencedEntry({ namespace: "n", version: 1 }), "key", {
      get: () => {
        reads++;
        return "k";
      },
    });
    expect([fences.cover(entry), fences.coveredAtMs(entry)]).toEqual(["none", Infinity]);
    expect(reads).toBe(2);
  });

  it("is a plain list, over any history and through any of three views", () => {
    const name = fc.constantFrom("", "a", "ab", "abc", "b", "ключ", "😀");
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom("raise", "raise", "raise", "raise", "drop"),
        view: fc.nat(2),
        reads: fc.boolean(),
        namespace: fc.constantFrom("m", "n", "пространство"),
        prefix: name,
        soft: fc.boolean(),
        passed: fc.nat(2),
        back: fc.nat(6),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), steps, (maxCount, history) => {
        let merged = 0;
        const region = createRegion(prefixFencesBytes(maxCount));
        const views = [0, 1, 2].map(() => new PrefixFences(region, maxCount, (fences) => (merged += fences)));
        const model = new Model(maxCount);
        let revision = 1;
        for (const { kind, view, reads, namespace, prefix, soft, passed, back } of history) {
          revision += passed;
          const atMs = revision * 1_000;
          if (kind === "raise") {
            views[view]?.raise(namespace, prefix, soft, revision, atMs);
            model.raise({ namespace, prefix, soft, revision, atMs });
          } else {
            views[view]?.drop(revision - back);
            model.drop(revision - back);
          }
          // Copies that were not read for a while catch up with several changes at once.
          if (!reads) continue;
          const reader = views[(view + 1) % 3];
          expect([reader?.count, reader?.newestRevision, merged]).toEqual([
            model.fences.length,
            model.newestRevision,
            model.merged,
          ]);
          for (const key of ["a", "abc", "abd", "b", "ключи", "😀", "-"]) {
            for (let version = Math.max(0, revision - 6); version <= revision; version++) {
              const entry = fencedEntry({ namespace, key, version });
              expect(reader?.cover(entry)).toBe(model.cover(namespace, key, version));
              expect(reader?.coveredAtMs(entry)).toBe(model.coveredAtMs(namespace, key, version));
            }
          }
        }
      }),
    );
  });
});

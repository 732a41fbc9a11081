/** Tag fences against a plain list of all invalidations, through three views of one region. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TagFences, tagFencesBytes } from "../../../src/store/fences/tag-fences.ts";
import { createFingerprint } from "../../../src/store/hashing/fingerprint.ts";
import { createRegion } from "../../../src/store/shm/region.ts";
import { fencedEntry } from "../../support/fenced-entry.ts";

const fingerprintOf = createFingerprint([1n, 2n]);

interface Raised {
  readonly name: string;
  readonly hardRevision: number;
  readonly hardAtMs: number;
  readonly softRevision: number;
}

const latest = (fence: Raised): number => Math.max(fence.hardRevision, fence.softRevision);

/** What the class promises, with no thought for speed. */
class Model {
  fences: Raised[] = [];
  floor = { revision: 0, atMs: 0 };
  newestRevision = 0;
  pruned = 0;
  readonly #maxCount: number;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  raise(name: string, soft: boolean, revision: number, nowMs: number): void {
    const former = this.fences.find((fence) => fence.name === name);
    this.fences = this.fences.filter((fence) => fence !== former);
    this.fences.push({
      name,
      hardRevision: soft ? (former?.hardRevision ?? 0) : revision,
      hardAtMs: soft ? (former?.hardAtMs ?? 0) : nowMs,
      softRevision: soft ? revision : (former?.softRevision ?? 0),
    });
    this.newestRevision = revision;
    if (this.fences.length <= this.#maxCount) return;
    const oldest = this.fences.shift();
    if (oldest !== undefined) this.floor = { revision: latest(oldest), atMs: nowMs };
    this.pruned++;
  }

  cover(namespace: string, tags: readonly string[], version: number): string {
    if (version >= this.newestRevision || tags.length === 0) return "none";
    const fences = this.#of(namespace, tags);
    const isHard = version < this.floor.revision || fences.some((fence) => version < fence.hardRevision);
    if (isHard) return "hard";
    return fences.some((fence) => version < fence.softRevision) ? "soft" : "none";
  }

  coveredAtMs(namespace: string, tags: readonly string[], version: number): number {
    if (version >= this.newestRevision || tags.length === 0) return Infinity;
    const hard = this.#of(namespace, tags).filter((fence) => version < fence.hardRevision);
    const floorAtMs = version < this.floor.revision ? [this.floor.atMs] : [];
    return Math.min(...hard.map((fence) => fence.hardAtMs), ...floorAtMs);
  }

  anySince(namespace: string, tags: readonly string[], revision: number): boolean {
    if (tags.length === 0) return false;
    if (revision < this.floor.revision) return true;
    return this.#of(namespace, tags).some((fence) => revision < latest(fence));
  }

  drop(revision: number): void {
    this.fences = this.fences.filter((fence) => latest(fence) > revision);
    if (this.newestRevision <= revision) this.newestRevision = 0;
  }

  #of(namespace: string, tags: readonly string[]): Raised[] {
    return this.fences.filter((fence) => tags.some((tag) => fence.name === `${namespace}:${tag}`));
  }
}

describe("TagFences", () => {
  it("keeps revisions and times beyond 32 bits", () => {
    const fences = new TagFences(createRegion(tagFencesBytes(1)), fingerprintOf, 1, () => {});
    const revision = 2 ** 48;
    const nowMs = 2 ** 45 + 1;
    fences.raise("n", "t", false, revision, nowMs);
    const [behind, after] = [revision - 1, revision].map((version) =>
      fencedEntry({ namespace: "n", tags: ["t"], version }),
    );
    if (behind === undefined || after === undefined) throw new Error("two entries");
    expect([fences.cover(behind), fences.coveredAtMs(behind)]).toEqual(["hard", nowMs]);
    expect([fences.cover(after), fences.coveredAtMs(after)]).toEqual(["none", Infinity]);
  });

  it("is a plain list of invalidations, over any history and through any of three views", () => {
    const tag = fc.constantFrom("x", "y", "z", "тег", "");
    const steps = fc.array(
      fc.record({
        kind: fc.constantFrom("raise", "raise", "raise", "drop"),
        view: fc.nat(2),
        namespace: fc.constantFrom("a", "b"),
        tag,
        soft: fc.boolean(),
        passed: fc.nat(2),
        back: fc.nat(6),
        askedTags: fc.uniqueArray(tag, { maxLength: 3 }),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), steps, (maxCount, history) => {
        let pruned = 0;
        const region = createRegion(tagFencesBytes(maxCount));
        const views = [0, 1, 2].map(() => new TagFences(region, fingerprintOf, maxCount, () => pruned++));
        const model = new Model(maxCount);
        let revision = 1;
        for (const step of history) {
          const { namespace } = step;
          const view = views[step.view];
          revision += step.passed;
          const nowMs = revision * 1_000;
          if (step.kind === "raise") {
            view?.raise(namespace, step.tag, step.soft, revision, nowMs);
            model.raise(`${namespace}:${step.tag}`, step.soft, revision, nowMs);
          } else {
            view?.drop(revision - step.back);
            model.drop(revision - step.back);
          }
          const reader = views[(step.view + 1) % 3];
          expect([reader?.count, reader?.newestRevision, pruned]).toEqual([
            model.fences.length,
            model.newestRevision,
            model.pruned,
          ]);
          const tags = step.askedTags;
          for (let version = Math.max(0, revision - 9); version <= revision; version++) {
            const entry = fencedEntry({ namespace, tags, version });
            expect(reader?.cover(entry)).toBe(model.cover(namespace, tags, version));
            expect(reader?.coveredAtMs(entry)).toBe(model.coveredAtMs(namespace, tags, version));
            expect(reader?.anySince(namespace, tags, version)).toBe(model.anySince(namespace, tags, version));
          }
        }
      }),
    );
  });
});

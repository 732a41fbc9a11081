/**
 * What was invalidated by prefix or for a namespace, until a sweep has retired it.
 *
 * Bounded: when full, the fences of the namespace with the most of them merge into one hard fence for all of
 * it. When every namespace has but one, all merge into one for every namespace. Wrong in the safe direction.
 */
import type { TableEntry } from "./table.ts";
import type { Cover } from "./tag-fences.ts";

interface PrefixFence {
  /** `undefined`: every namespace. */
  readonly namespace: string | undefined;
  /** Empty: the whole namespace. */
  readonly prefix: string;
  readonly soft: boolean;
  readonly revision: number;
  readonly atMs: number;
}

export class PrefixFences {
  readonly #maxCount: number;
  readonly #merged: (fences: number) => void;
  #fences: PrefixFence[] = [];
  #newestRevision = 0;

  /** `merged` is told how many fences a merger replaced. */
  constructor(maxCount: number, merged: (fences: number) => void) {
    this.#maxCount = maxCount;
    this.#merged = merged;
  }

  get count(): number {
    return this.#fences.length;
  }

  /** Entries set at this revision or later are behind no fence. */
  get newestRevision(): number {
    return this.#newestRevision;
  }

  raise(namespace: string, prefix: string, soft: boolean, revision: number, nowMs: number): void {
    this.#fences = this.#fences.filter(
      (fence) => fence.namespace !== namespace || fence.prefix !== prefix || fence.soft !== soft,
    );
    if (this.#fences.length >= this.#maxCount) this.#merge(nowMs);
    this.#fences.push({ namespace, prefix, soft, revision, atMs: nowMs });
    this.#newestRevision = revision;
  }

  cover(entry: TableEntry): Cover {
    if (entry.version >= this.#newestRevision) return "none";
    let cover: Cover = "none";
    for (const fence of this.#fences) {
      if (!covers(fence, entry)) continue;
      if (!fence.soft) return "hard";
      cover = "soft";
    }
    return cover;
  }

  /** When the earliest of the hard fences that the entry is behind was raised, or `Infinity`. */
  coveredAtMs(entry: TableEntry): number {
    let earliest = Infinity;
    if (entry.version >= this.#newestRevision) return earliest;
    for (const fence of this.#fences) {
      if (!fence.soft && covers(fence, entry)) earliest = Math.min(earliest, fence.atMs);
    }
    return earliest;
  }

  /** Drops the fences raised up to `revision`: no entry that they cover is left. */
  drop(revision: number): void {
    this.#fences = this.#fences.filter((fence) => fence.revision > revision);
    if (this.#newestRevision <= revision) this.#newestRevision = 0;
  }

  #merge(nowMs: number): void {
    const counts = new Map<string | undefined, number>();
    let largest: string | undefined;
    for (const { namespace } of this.#fences) {
      const count = (counts.get(namespace) ?? 0) + 1;
      counts.set(namespace, count);
      if (count > (counts.get(largest) ?? 0)) largest = namespace;
    }
    const mergesAll = (counts.get(largest) ?? 0) < 2;
    const merging = this.#fences.filter((fence) => mergesAll || fence.namespace === largest);
    this.#fences = this.#fences.filter((fence) => !merging.includes(fence));
    this.#fences.push({
      namespace: mergesAll ? undefined : largest,
      prefix: "",
      soft: false,
      revision: Math.max(...merging.map((fence) => fence.revision)),
      atMs: nowMs,
    });
    this.#merged(merging.length);
  }
}

function covers(fence: PrefixFence, entry: TableEntry): boolean {
  return (
    entry.version < fence.revision &&
    (fence.namespace === undefined || fence.namespace === entry.namespace) &&
    (fence.prefix === "" || entry.key.startsWith(fence.prefix))
  );
}

/**
 * What was invalidated by prefix or for a namespace, until a sweep has retired it.
 *
 * Bounded: when full, the fences of the namespace with the most of them merge into one hard fence for all of
 * it. When every namespace has but one, all merge into one for every namespace. Wrong in the safe direction.
 * In a region, as `fence-list.ts` writes them, for every thread under the shard's lock.
 */

import type { TableEntry } from "../api/table.ts";
import { Cells, cellsBytes } from "../shm/cells.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";
import { type PrefixFence, PrefixFenceList, prefixFenceListBytes } from "./prefix-fence-list.ts";
import type { Cover } from "./tag-fences.ts";

const NEWEST_REVISION_CELL = 0;
const OWN_BYTES = cellsBytes(1);

export function prefixFencesBytes(maxCount: number): number {
  return alignedBytes(OWN_BYTES) + alignedBytes(prefixFenceListBytes(fencesMost(maxCount)));
}

export class PrefixFences {
  readonly #maxCount: number;
  readonly #merged: (fences: number) => void;
  readonly #own: Cells;
  readonly #list: PrefixFenceList;

  /** `merged` is told how many fences a merger replaced. */
  constructor(region: Region, maxCount: number, merged: (fences: number) => void) {
    const cut = createCutter(region.buffer, region.begin);
    this.#own = new Cells(cut(OWN_BYTES));
    this.#list = new PrefixFenceList(cut(prefixFenceListBytes(fencesMost(maxCount))));
    this.#maxCount = maxCount;
    this.#merged = merged;
  }

  get count(): number {
    return this.#list.count;
  }

  /** Entries set at this revision or later are behind no fence. */
  get newestRevision(): number {
    return this.#own.get(NEWEST_REVISION_CELL);
  }

  raise(namespace: string, prefix: string, soft: boolean, revision: number, nowMs: number): void {
    const list = this.#list;
    list.keep((fence) => fence.namespace !== namespace || fence.prefix !== prefix || fence.soft !== soft);
    if (list.count >= this.#maxCount) this.#merge(nowMs);
    list.append({ namespace, prefix, soft, revision, atMs: nowMs });
    this.#own.set(NEWEST_REVISION_CELL, revision);
  }

  cover(entry: TableEntry): Cover {
    const { version } = entry;
    if (version >= this.newestRevision) return "none";
    // Once for all fences, since an engine may decode a name each time that it is read.
    const { namespace, key } = entry;
    let cover: Cover = "none";
    for (const fence of this.#list.fences()) {
      if (!covers(fence, namespace, key, version)) continue;
      if (!fence.soft) return "hard";
      cover = "soft";
    }
    return cover;
  }

  /** When the earliest of the hard fences that the entry is behind was raised, or `Infinity`. */
  coveredAtMs(entry: TableEntry): number {
    const { version } = entry;
    if (version >= this.newestRevision) return Infinity;
    const { namespace, key } = entry;
    let earliest = Infinity;
    for (const fence of this.#list.fences()) {
      if (!fence.soft && covers(fence, namespace, key, version)) earliest = Math.min(earliest, fence.atMs);
    }
    return earliest;
  }

  /** Drops the fences raised up to `revision`: no entry that they cover is left. */
  drop(revision: number): void {
    this.#list.keep((fence) => fence.revision > revision);
    if (this.newestRevision <= revision) this.#own.set(NEWEST_REVISION_CELL, 0);
  }

  #merge(nowMs: number): void {
    const fences = this.#list.fences();
    const counts = new Map<string | undefined, number>();
    let largest: string | undefined;
    for (const { namespace } of fences) {
      const count = (counts.get(namespace) ?? 0) + 1;
      counts.set(namespace, count);
      if (count > (counts.get(largest) ?? 0)) largest = namespace;
    }
    const mergesAll = (counts.get(largest) ?? 0) < 2;
    const merging = fences.filter((fence) => mergesAll || fence.namespace === largest);
    this.#list.keep((fence) => !merging.includes(fence));
    this.#list.append({
      namespace: mergesAll ? undefined : largest,
      prefix: "",
      soft: false,
      revision: Math.max(...merging.map((fence) => fence.revision)),
      atMs: nowMs,
    });
    this.#merged(merging.length);
  }
}

/** A merger leaves one fence, and room for another must be there even where the bound is 1. */
function fencesMost(maxCount: number): number {
  return Math.max(maxCount, 2);
}

function covers(fence: PrefixFence, namespace: string, key: string, version: number): boolean {
  return (
    version < fence.revision &&
    (fence.namespace === undefined || fence.namespace === namespace) &&
    (fence.prefix === "" || key.startsWith(fence.prefix))
  );
}

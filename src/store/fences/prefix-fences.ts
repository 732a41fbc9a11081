/**
 * The invalidations by prefix or of a whole namespace, until a sweep has removed the entries that they cover.
 *
 * Their number is bounded. When full, the fences of the namespace with the most of them are merged into one hard fence
 * for the whole namespace; when every namespace has only one, all are merged into one for every namespace. Too many
 * entries are invalidated, never too few. In a region, in the form of `prefix-fence-list.ts`, under the shard's lock.
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

  /** `merged` is called with the number of fences that a merge replaces. */
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

  /** No fence covers an entry set at this revision or later. */
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
    // Read once for all fences: an engine may decode a name at each read.
    const { namespace, key } = entry;
    let cover: Cover = "none";
    for (const fence of this.#list.fences()) {
      if (!covers(fence, namespace, key, version)) continue;
      if (!fence.soft) return "hard";
      cover = "soft";
    }
    return cover;
  }

  /** When the earliest hard fence that covers the entry was raised; `Infinity`: none covers it. */
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

  /** Drops the fences raised up to `revision`: no entry is left that they cover. */
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

/** A merge leaves one fence, and there must be room for the next one, even when the bound is 1. */
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

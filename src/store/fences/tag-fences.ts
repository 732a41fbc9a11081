/**
 * The invalidations by tag: one fence for each namespace and tag, O(1) to raise, O(tags) to check.
 *
 * Their number is bounded. Pruning the oldest fence raises the floor, a revision that covers every older entry with any
 * tag: too many entries are invalidated, never too few. In a region, under the shard's lock.
 */

import type { TableEntry } from "../api/table.ts";
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import { Cells, cellsBytes } from "../shm/cells.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";

export type Cover = "none" | "soft" | "hard";

/** Cells that all fences share. */
const FLOOR_REVISION_CELL = 0;
const FLOOR_AT_MS_CELL = 1;
const NEWEST_REVISION_CELL = 2;
const OWN_BYTES = cellsBytes(3);

/** Cells of a fence. A revision of 0: never invalidated in this way. */
const HARD_REVISION_CELL = 0;
const HARD_AT_MS_CELL = 1;
const SOFT_REVISION_CELL = 2;
const FENCE_CELLS = 3;

export function tagFencesBytes(maxCount: number): number {
  return alignedBytes(OWN_BYTES) + alignedBytes(recordMapBytes(maxCount, FENCE_CELLS));
}

export class TagFences {
  readonly #fingerprintOf: FingerprintOf;
  readonly #maxCount: number;
  readonly #pruned: () => void;
  readonly #own: Cells;
  /** In the order of their latest revisions, oldest first. */
  readonly #fences: RecordMap;

  /** `pruned` is called for each fence that the bound removes. */
  constructor(region: Region, fingerprintOf: FingerprintOf, maxCount: number, pruned: () => void) {
    const cut = createCutter(region.buffer, region.begin);
    this.#own = new Cells(cut(OWN_BYTES));
    this.#fences = new RecordMap(cut(recordMapBytes(maxCount, FENCE_CELLS)), maxCount, FENCE_CELLS);
    this.#fingerprintOf = fingerprintOf;
    this.#maxCount = maxCount;
    this.#pruned = pruned;
  }

  get count(): number {
    return this.#fences.count;
  }

  /** No fence covers an entry set at this revision or later. */
  get newestRevision(): number {
    return this.#own.get(NEWEST_REVISION_CELL);
  }

  raise(namespace: string, tag: string, soft: boolean, revision: number, nowMs: number): void {
    const fences = this.#fences;
    const id = this.#fingerprintOf(namespace, tag);
    let fence = fences.find(id);
    if (fence !== 0) {
      fences.moveToNewest(fence);
    } else {
      if (fences.count === this.#maxCount) this.#pruneOldest(nowMs);
      fence = fences.insert(id);
    }
    if (soft) {
      fences.setNumber(fence, SOFT_REVISION_CELL, revision);
    } else {
      fences.setNumber(fence, HARD_REVISION_CELL, revision);
      fences.setNumber(fence, HARD_AT_MS_CELL, nowMs);
    }
    this.#own.set(NEWEST_REVISION_CELL, revision);
  }

  cover(entry: TableEntry): Cover {
    if (entry.version >= this.newestRevision) return "none";
    const { namespace, tags, version } = entry;
    if (tags.length > 0 && version < this.#own.get(FLOOR_REVISION_CELL)) return "hard";
    let cover: Cover = "none";
    for (const tag of tags) {
      const fence = this.#find(namespace, tag);
      if (fence === 0) continue;
      if (version < this.#fences.number(fence, HARD_REVISION_CELL)) return "hard";
      if (version < this.#fences.number(fence, SOFT_REVISION_CELL)) cover = "soft";
    }
    return cover;
  }

  /** When the earliest hard fence that covers the entry was raised; `Infinity`: none covers it. */
  coveredAtMs(entry: TableEntry): number {
    if (entry.version >= this.newestRevision) return Infinity;
    const { namespace, tags, version } = entry;
    let earliest = Infinity;
    if (tags.length > 0 && version < this.#own.get(FLOOR_REVISION_CELL)) {
      earliest = this.#own.get(FLOOR_AT_MS_CELL);
    }
    for (const tag of tags) {
      const fence = this.#find(namespace, tag);
      if (fence !== 0 && version < this.#fences.number(fence, HARD_REVISION_CELL)) {
        earliest = Math.min(earliest, this.#fences.number(fence, HARD_AT_MS_CELL));
      }
    }
    return earliest;
  }

  /** One of these tags was invalidated, hard or soft, after `revision`. May also be true when none was, after pruning. */
  anySince(namespace: string, tags: readonly string[], revision: number): boolean {
    if (tags.length === 0) return false;
    if (revision < this.#own.get(FLOOR_REVISION_CELL)) return true;
    return tags.some((tag) => {
      const fence = this.#find(namespace, tag);
      return fence !== 0 && revision < this.#latestRevision(fence);
    });
  }

  /**
   * Drops fences raised up to `revision`, a bounded number at a time: no entry is left that they cover, and no lease
   * that is as old. False: there may be more of them.
   */
  drop(revision: number): boolean {
    const isDone = this.#fences.removeOldest((fence) => this.#latestRevision(fence) <= revision);
    if (isDone && this.newestRevision <= revision) this.#own.set(NEWEST_REVISION_CELL, 0);
    return isDone;
  }

  /** 0: there is none. */
  #find(namespace: string, tag: string): number {
    return this.#fences.count === 0 ? 0 : this.#fences.find(this.#fingerprintOf(namespace, tag));
  }

  #latestRevision(fence: number): number {
    return Math.max(
      this.#fences.number(fence, HARD_REVISION_CELL),
      this.#fences.number(fence, SOFT_REVISION_CELL),
    );
  }

  #pruneOldest(nowMs: number): void {
    const oldest = this.#fences.oldest();
    this.#own.set(FLOOR_REVISION_CELL, this.#latestRevision(oldest));
    this.#own.set(FLOOR_AT_MS_CELL, nowMs);
    this.#fences.remove(oldest);
    this.#pruned();
  }
}

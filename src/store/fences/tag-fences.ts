/**
 * Invalidations by tag: one fence for each namespace and tag, O(1) to raise and to find.
 *
 * Their number is bounded. When they are full, the namespace that has most of them gives up its oldest one, and its
 * floor rises to that fence: a revision that covers everything older of that namespace, whatever its tags. Too much of
 * one namespace is invalidated, never too little, and nothing of another. In a region, under the shard's lock.
 */
import type { FenceView } from "../api/store.ts";
import type { FingerprintOf } from "../hashing/fingerprint.ts";
import type { NamespaceTable } from "../namespaces/namespace-table.ts";
import { OwnerLists, ownerListsBytes } from "../namespaces/owner-lists.ts";
import { CELL, type Cell } from "../namespaces/record-cells.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";

export type Cover = "none" | "soft" | "hard";

/** Cells of a fence. A revision of 0: never invalidated in this way. */
const HARD_REVISION_CELL = 0;
const HARD_AT_MS_CELL = 1;
const SOFT_REVISION_CELL = 2;
const FENCE_CELLS = 3;

/** The cells of a namespace's record that have the floors of these fences. */
export interface FloorCells {
  readonly hardRevision: Cell;
  readonly hardAtMs: Cell;
  readonly softRevision: Cell;
}

export function tagFencesBytes(maxCount: number, records: number): number {
  return (
    alignedBytes(recordMapBytes(maxCount, FENCE_CELLS)) + alignedBytes(ownerListsBytes(maxCount, records))
  );
}

interface TagFencesParts {
  readonly fingerprintOf: FingerprintOf;
  readonly namespaces: NamespaceTable;
  readonly floors: FloorCells;
  /** Called for each fence for which a floor rises. */
  readonly pruned: () => void;
}

export class TagFences {
  readonly #parts: TagFencesParts;
  readonly #maxCount: number;
  /** In the order of their latest revisions, oldest first. */
  readonly #fences: RecordMap;
  /** In the same order. */
  readonly #owners: OwnerLists;

  constructor(region: Region, maxCount: number, parts: TagFencesParts) {
    const cut = createCutter(region.buffer, region.begin);
    this.#parts = parts;
    this.#maxCount = maxCount;
    this.#fences = new RecordMap(cut(recordMapBytes(maxCount, FENCE_CELLS)), maxCount, FENCE_CELLS);
    const owners = cut(ownerListsBytes(maxCount, parts.namespaces.records));
    this.#owners = new OwnerLists(owners, maxCount, parts.namespaces);
  }

  get count(): number {
    return this.#fences.count;
  }

  parts(): MemoryPart[] {
    return [...this.#fences.parts(), ...this.#owners.parts(this.#fences.touched)];
  }

  raise(
    record: number,
    namespace: string,
    tag: string,
    soft: boolean,
    revision: number,
    nowMs: number,
  ): void {
    const fences = this.#fences;
    let fence = this.#find(namespace, tag);
    if (fence !== 0) {
      fences.moveToNewest(fence);
      this.#owners.moveToNewest(fence);
    } else {
      if (fences.count === this.#maxCount && !this.#makeRoom(record, nowMs)) {
        this.#raiseFloor(record, soft ? 0 : revision, soft ? revision : 0, nowMs);
        return;
      }
      fence = fences.insert(this.#parts.fingerprintOf(namespace, tag));
      this.#owners.add(fence, record);
    }
    if (soft) {
      fences.setNumber(fence, SOFT_REVISION_CELL, revision);
    } else {
      fences.setNumber(fence, HARD_REVISION_CELL, revision);
      fences.setNumber(fence, HARD_AT_MS_CELL, nowMs);
    }
  }

  /** False: none of these fences covers anything of this record and version. */
  mayCover(record: number, version: number): boolean {
    const { namespaces, floors } = this.#parts;
    return (
      this.#owners.countOf(record) > 0 ||
      version < namespaces.get(record, floors.hardRevision) ||
      version < namespaces.get(record, floors.softRevision)
    );
  }

  /** What covers something of this version with these tags. */
  cover(record: number, namespace: string, tags: readonly string[], version: number): Cover {
    if (tags.length === 0) return "none";
    const { namespaces, floors } = this.#parts;
    if (version < namespaces.get(record, floors.hardRevision)) return "hard";
    let cover: Cover = version < namespaces.get(record, floors.softRevision) ? "soft" : "none";
    if (this.#owners.countOf(record) === 0) return cover;
    for (const tag of tags) {
      const fence = this.#find(namespace, tag);
      if (fence === 0) continue;
      if (version < this.#fences.number(fence, HARD_REVISION_CELL)) return "hard";
      if (version < this.#fences.number(fence, SOFT_REVISION_CELL)) cover = "soft";
    }
    return cover;
  }

  /** When the earliest hard fence that covers it was raised; `Infinity`: none covers it. */
  coveredAtMs(record: number, namespace: string, tags: readonly string[], version: number): number {
    if (tags.length === 0) return Infinity;
    const { namespaces, floors } = this.#parts;
    let earliest = Infinity;
    if (version < namespaces.get(record, floors.hardRevision)) {
      earliest = namespaces.get(record, floors.hardAtMs);
    }
    if (this.#owners.countOf(record) === 0) return earliest;
    for (const tag of tags) {
      const fence = this.#find(namespace, tag);
      if (fence !== 0 && version < this.#fences.number(fence, HARD_REVISION_CELL)) {
        earliest = Math.min(earliest, this.#fences.number(fence, HARD_AT_MS_CELL));
      }
    }
    return earliest;
  }

  /** Those of these tags, hard and soft, as fences that cover something of this version or not. A floor has no name. */
  about(record: number, namespace: string, tags: readonly string[], version: number): FenceView[] {
    if (tags.length === 0) return [];
    const { namespaces, floors } = this.#parts;
    const view = (name: string, soft: boolean, revision: number): FenceView => ({
      kind: "tag",
      name,
      soft,
      revision,
      covers: version < revision,
    });
    const own = tags.flatMap((tag) => {
      const fence = this.#find(namespace, tag);
      if (fence === 0) return [];
      return [
        view(tag, false, this.#fences.number(fence, HARD_REVISION_CELL)),
        view(tag, true, this.#fences.number(fence, SOFT_REVISION_CELL)),
      ];
    });
    const all = [
      ...own,
      view("", false, namespaces.get(record, floors.hardRevision)),
      view("", true, namespaces.get(record, floors.softRevision)),
    ];
    return all.filter(({ revision }) => revision > 0);
  }

  /**
   * Drops fences raised up to `revision`, a bounded number at a time: nothing is left that they cover. False: there may
   * be more of them.
   */
  drop(revision: number): boolean {
    return this.#fences.removeOldest((fence) => {
      if (this.#latestRevision(fence) > revision) return false;
      this.#owners.remove(fence);
      return true;
    });
  }

  /** 0: there is none. */
  #find(namespace: string, tag: string): number {
    return this.#fences.count === 0 ? 0 : this.#fences.find(this.#parts.fingerprintOf(namespace, tag));
  }

  #latestRevision(fence: number): number {
    return Math.max(
      this.#fences.number(fence, HARD_REVISION_CELL),
      this.#fences.number(fence, SOFT_REVISION_CELL),
    );
  }

  /** Removes the oldest fence of whoever has most. False: nobody has more than one. */
  #makeRoom(causer: number, nowMs: number): boolean {
    const payer = this.#owners.payerFor(causer);
    if (payer !== causer && this.#owners.countOf(payer) === 1) return false;
    const oldest = this.#owners.oldestOf(payer);
    const fences = this.#fences;
    const hard = fences.number(oldest, HARD_REVISION_CELL);
    const soft = fences.number(oldest, SOFT_REVISION_CELL);
    this.#owners.remove(oldest);
    fences.remove(oldest);
    this.#raiseFloor(payer, hard, soft, nowMs);
    return true;
  }

  #raiseFloor(record: number, hard: number, soft: number, nowMs: number): void {
    const { namespaces, floors, pruned } = this.#parts;
    // A clear of the namespace covers what is older anyway.
    if (Math.max(hard, soft) <= namespaces.get(record, CELL.hardClearRevision)) return;
    if (hard > namespaces.get(record, floors.hardRevision)) {
      namespaces.set(record, floors.hardRevision, hard);
      namespaces.set(record, floors.hardAtMs, nowMs);
    }
    namespaces.raise(record, floors.softRevision, soft);
    pruned();
  }
}

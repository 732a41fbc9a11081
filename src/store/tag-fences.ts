/**
 * What was invalidated by tag, one fence for each namespace and tag: O(1) to raise, O(tags) to check.
 *
 * Bounded: pruning the oldest fence raises the floor, which covers every tagged entry that is older. Wrong in
 * the safe direction only.
 */
import { toEntryId } from "./entry-id.ts";
import type { TableEntry } from "./table.ts";

export type Cover = "none" | "soft" | "hard";

interface TagFence {
  /** 0: never. */
  readonly hardRevision: number;
  readonly hardAtMs: number;
  readonly softRevision: number;
}

const noFence: TagFence = { hardRevision: 0, hardAtMs: 0, softRevision: 0 };

const latestRevision = (fence: TagFence): number => Math.max(fence.hardRevision, fence.softRevision);

export class TagFences {
  readonly #maxCount: number;
  readonly #pruned: () => void;
  /** In the order of their latest revisions, oldest first. */
  readonly #byId = new Map<string, TagFence>();
  #floorRevision = 0;
  #floorAtMs = 0;
  #newestRevision = 0;

  /** `pruned` is told of each fence that the bound pushed out. */
  constructor(maxCount: number, pruned: () => void) {
    this.#maxCount = maxCount;
    this.#pruned = pruned;
  }

  get count(): number {
    return this.#byId.size;
  }

  /** Entries set at this revision or later are behind no fence. */
  get newestRevision(): number {
    return this.#newestRevision;
  }

  raise(namespace: string, tag: string, soft: boolean, revision: number, nowMs: number): void {
    const id = toEntryId(namespace, tag);
    const former = this.#byId.get(id) ?? noFence;
    this.#byId.delete(id);
    this.#byId.set(
      id,
      soft
        ? { ...former, softRevision: revision }
        : { hardRevision: revision, hardAtMs: nowMs, softRevision: former.softRevision },
    );
    this.#newestRevision = revision;
    if (this.#byId.size > this.#maxCount) this.#pruneOldest(nowMs);
  }

  cover(entry: TableEntry): Cover {
    if (entry.version >= this.#newestRevision) return "none";
    const { namespace, tags, version } = entry;
    if (tags.length > 0 && version < this.#floorRevision) return "hard";
    let cover: Cover = "none";
    for (const tag of tags) {
      const fence = this.#byId.get(toEntryId(namespace, tag));
      if (fence === undefined) continue;
      if (version < fence.hardRevision) return "hard";
      if (version < fence.softRevision) cover = "soft";
    }
    return cover;
  }

  /** When the earliest of the hard fences that the entry is behind was raised, or `Infinity`. */
  coveredAtMs(entry: TableEntry): number {
    if (entry.version >= this.#newestRevision) return Infinity;
    const { namespace, tags, version } = entry;
    let earliest = tags.length > 0 && version < this.#floorRevision ? this.#floorAtMs : Infinity;
    for (const tag of tags) {
      const fence = this.#byId.get(toEntryId(namespace, tag));
      if (fence !== undefined && version < fence.hardRevision) earliest = Math.min(earliest, fence.hardAtMs);
    }
    return earliest;
  }

  /** One of these tags was invalidated, hard or soft, after `revision`, or perhaps was. */
  anySince(namespace: string, tags: readonly string[], revision: number): boolean {
    if (tags.length === 0) return false;
    if (revision < this.#floorRevision) return true;
    return tags.some((tag) => {
      const fence = this.#byId.get(toEntryId(namespace, tag));
      return fence !== undefined && revision < latestRevision(fence);
    });
  }

  /** Drops the fences raised up to `revision`: no entry that they cover is left, and no lease that old. */
  drop(revision: number): void {
    for (const [id, fence] of this.#byId) {
      if (latestRevision(fence) > revision) return;
      this.#byId.delete(id);
    }
    if (this.#newestRevision <= revision) this.#newestRevision = 0;
  }

  #pruneOldest(nowMs: number): void {
    for (const [id, fence] of this.#byId) {
      this.#byId.delete(id);
      this.#floorRevision = latestRevision(fence);
      this.#floorAtMs = nowMs;
      this.#pruned();
      return;
    }
  }
}

/**
 * The epoch of a store, and the epochs that it continues: each up to the revisions at which it ended. Up to there a revision
 * of the earlier epoch is one of this store, of the same state. A greater one is of another life of that epoch.
 */
import type { Predecessor } from "../api/store.ts";
import type { CursorPosition } from "./cursor.ts";

export class Lineage {
  readonly epoch: bigint;
  /** The latest first. */
  readonly predecessors: readonly Predecessor[];

  constructor(epoch: bigint, predecessors: readonly Predecessor[]) {
    this.epoch = epoch;
    this.predecessors = predecessors;
  }

  /** A revision of this epoch of a shard is one of this store. */
  has(epoch: bigint, shard: number, revision: number): boolean {
    return epoch === this.epoch || revision <= (this.#endsOf(epoch)?.[shard] ?? -1);
  }

  /** All revisions of a cursor are of this store. */
  hasAll({ epoch, revisions }: CursorPosition): boolean {
    if (epoch === this.epoch) return true;
    const ends = this.#endsOf(epoch);
    return ends?.length === revisions.length && ends.every((end, shard) => (revisions[shard] ?? 0) <= end);
  }

  #endsOf(epoch: bigint): readonly number[] | undefined {
    return this.predecessors.find((predecessor) => predecessor.epoch === epoch)?.endRevisions;
  }
}

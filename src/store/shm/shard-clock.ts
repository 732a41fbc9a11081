/** The two numbers of a shard that never decrease: its revision, and the time of its last operation. */

import type { Stamp } from "../api/store.ts";
import { Cells, cellsBytes } from "./cells.ts";
import type { Region } from "./region.ts";

const CELL = { revision: 0, nowMs: 1 } as const;

export const SHARD_CLOCK_BYTES = cellsBytes(Object.keys(CELL).length);

export class ShardClock {
  readonly #shard: number;
  readonly #cells: Cells;
  /** Reused until the revision changes: most operations are reads. */
  #stamp: Stamp;

  constructor(shard: number, region: Region) {
    this.#shard = shard;
    this.#cells = new Cells(region);
    this.#stamp = { shard, revision: 0 };
  }

  get revision(): number {
    return this.#cells.get(CELL.revision);
  }

  /** The shard and its current revision. */
  get stamp(): Stamp {
    const revision = this.#cells.get(CELL.revision);
    if (this.#stamp.revision !== revision) this.#stamp = { shard: this.#shard, revision };
    return this.#stamp;
  }

  /** Begins a mutation. */
  bump(): void {
    this.#cells.set(CELL.revision, this.#cells.get(CELL.revision) + 1);
  }

  /**
   * The time of an operation: `nowMs`, or that of the last operation if it is later. A thread reads its clock before it
   * has the lock, and another thread may have been in the shard meanwhile.
   */
  advance(nowMs: number): number {
    const lastMs = this.#cells.get(CELL.nowMs);
    if (nowMs <= lastMs) return lastMs;
    this.#cells.set(CELL.nowMs, nowMs);
    return nowMs;
  }
}

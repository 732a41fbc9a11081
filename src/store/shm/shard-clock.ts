/** The two numbers that only grow in a shard: its revision, and the time as of its last operation. */

import type { Stamp } from "../api/store.ts";
import { Cells, cellsBytes } from "./cells.ts";
import type { Region } from "./region.ts";

const CELL = { revision: 0, nowMs: 1 } as const;

export const SHARD_CLOCK_BYTES = cellsBytes(Object.keys(CELL).length);

export class ShardClock {
  readonly #shard: number;
  readonly #cells: Cells;
  /** Good while the revision is its own: most operations are followed by some that change nothing. */
  #stamp: Stamp;

  constructor(shard: number, region: Region) {
    this.#shard = shard;
    this.#cells = new Cells(region);
    this.#stamp = { shard, revision: 0 };
  }

  get revision(): number {
    return this.#cells.get(CELL.revision);
  }

  /** The shard as of now. */
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
   * The time of an operation: what a thread read before it had the lock may be a little before what the last
   * operation went by, and nothing here is to happen before what has happened.
   */
  advance(nowMs: number): number {
    const lastMs = this.#cells.get(CELL.nowMs);
    if (nowMs <= lastMs) return lastMs;
    this.#cells.set(CELL.nowMs, nowMs);
    return nowMs;
  }
}

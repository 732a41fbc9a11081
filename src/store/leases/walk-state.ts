/**
 * How far the walk over the leases of a shard is that compares them with invalidations by prefix. It goes from the lease
 * that was granted first to the newest one, a few at a time. In shared memory, under the shard's lock.
 */
import { Cells, cellsBytes } from "../shm/cells.ts";
import type { Region } from "../shm/region.ts";

const CELL = { upTo: 0, at: 1, walked: 2, wanted: 3 } as const;

export const WALK_STATE_BYTES = cellsBytes(4);

export class WalkState {
  readonly #cells: Cells;

  constructor(region: Region) {
    this.#cells = new Cells(region);
  }

  /** It visits leases that were granted before this revision. 0: there is no walk. */
  get upTo(): number {
    return this.#cells.get(CELL.upTo);
  }

  /** The slot of the lease that it visits next. 0: it was at the newest one. */
  get at(): number {
    return this.#cells.get(CELL.at);
  }

  set at(lease: number) {
    this.#cells.set(CELL.at, lease);
  }

  /** The leases from before this revision were compared with the invalidations up to it. */
  get walkedRevision(): number {
    return this.#cells.get(CELL.walked);
  }

  /** There was an invalidation: walks from the oldest lease, or does so again after the walk that is under way. */
  want(revision: number, oldest: number): void {
    this.#cells.set(CELL.wanted, revision);
    if (this.upTo === 0) this.#begin(oldest);
  }

  /** The walk is over. Begins the next one where it is wanted. */
  finish(oldest: number): void {
    this.#cells.set(CELL.walked, this.upTo);
    this.#cells.set(CELL.upTo, 0);
    if (this.#cells.get(CELL.wanted) > this.walkedRevision) this.#begin(oldest);
  }

  #begin(oldest: number): void {
    this.#cells.set(CELL.upTo, this.#cells.get(CELL.wanted));
    this.at = oldest;
  }
}

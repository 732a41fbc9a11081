/** How far the sweep of a shard is, and when the next one is due: in shared memory, since any thread may go on with it. */
import { Cells, cellsBytes } from "../shm/cells.ts";
import type { Region } from "../shm/region.ts";

const cell = {
  sweeping: 0,
  scanPosition: 1,
  revision: 2,
  againAtMs: 3,
  nextGoneAtMs: 4,
  sweptNextGoneAtMs: 5,
} as const;

export const sweepStateBytes = cellsBytes(Object.keys(cell).length);

/** Tag fences and ended lifetimes may gather for this long. */
const sweepPauseMs = 5_000;

export class SweepState {
  readonly #cells: Cells;

  constructor(region: Region) {
    this.#cells = new Cells(region);
  }

  get sweeping(): boolean {
    return this.#cells.get(cell.sweeping) === 1;
  }

  /** Where the scan of the table goes on; 0: it is at its end. */
  get scanPosition(): number {
    return this.#cells.get(cell.scanPosition);
  }

  set scanPosition(position: number) {
    this.#cells.set(cell.scanPosition, position);
  }

  /** The shard's revision at the beginning of the sweep: it retires the fences up to this one. */
  get revision(): number {
    return this.#cells.get(cell.revision);
  }

  /** Whether there is something to sweep for, be it that `tagFences` or that lifetimes have ended. */
  isDue(tagFences: number, nowMs: number): boolean {
    if (nowMs < this.#cells.get(cell.againAtMs)) return false;
    return tagFences > 0 || nowMs >= this.#earliest(cell.nextGoneAtMs);
  }

  begin(revision: number, scanPosition: number): void {
    this.#cells.set(cell.sweeping, 1);
    this.#cells.set(cell.revision, revision);
    this.#cells.set(cell.scanPosition, scanPosition);
    this.#cells.set(cell.sweptNextGoneAtMs, 0);
  }

  end(nowMs: number): void {
    this.#cells.set(cell.sweeping, 0);
    this.#cells.set(cell.againAtMs, nowMs + sweepPauseMs);
    this.#cells.set(cell.nextGoneAtMs, this.#cells.get(cell.sweptNextGoneAtMs));
  }

  /** An entry has a new end, which the sweep under way may not see. */
  willGo(goneAtMs: number): void {
    this.#lower(cell.nextGoneAtMs, goneAtMs);
    this.#lower(cell.sweptNextGoneAtMs, goneAtMs);
  }

  /** The sweep under way has seen an entry that stays until then. */
  sawOneGoing(goneAtMs: number): void {
    this.#lower(cell.sweptNextGoneAtMs, goneAtMs);
  }

  #lower(at: number, goneAtMs: number): void {
    if (goneAtMs < this.#earliest(at)) this.#cells.set(at, goneAtMs);
  }

  /** 0, as in new memory, says that nothing goes. */
  #earliest(at: number): number {
    return this.#cells.get(at) || Infinity;
  }
}

/** How far the sweep of a shard is, and when the next one is due: in shared memory, since any thread may go on with it. */
import { Cells, cellsBytes } from "../shm/cells.ts";
import type { Region } from "../shm/region.ts";

const CELL = {
  sweeping: 0,
  scanPosition: 1,
  revision: 2,
  againAtMs: 3,
  nextStaleUntilMs: 4,
  sweptNextStaleUntilMs: 5,
} as const;

export const SWEEP_STATE_BYTES = cellsBytes(Object.keys(CELL).length);

/** Tag fences and ended lifetimes may gather for this long. */
const SWEEP_PAUSE_MS = 5_000;

export class SweepState {
  readonly #cells: Cells;

  constructor(region: Region) {
    this.#cells = new Cells(region);
  }

  get sweeping(): boolean {
    return this.#cells.get(CELL.sweeping) === 1;
  }

  /** Where the scan of the table goes on; 0: it is at its end. */
  get scanPosition(): number {
    return this.#cells.get(CELL.scanPosition);
  }

  set scanPosition(position: number) {
    this.#cells.set(CELL.scanPosition, position);
  }

  /** The shard's revision at the beginning of the sweep: it retires the fences up to this one. */
  get revision(): number {
    return this.#cells.get(CELL.revision);
  }

  /** Whether there is something to sweep for, be it that `tagFences` or that lifetimes have ended. */
  isDue(tagFences: number, nowMs: number): boolean {
    if (nowMs < this.#cells.get(CELL.againAtMs)) return false;
    return tagFences > 0 || nowMs >= this.#earliest(CELL.nextStaleUntilMs);
  }

  begin(revision: number, scanPosition: number): void {
    this.#cells.set(CELL.sweeping, 1);
    this.#cells.set(CELL.revision, revision);
    this.#cells.set(CELL.scanPosition, scanPosition);
    this.#cells.set(CELL.sweptNextStaleUntilMs, 0);
  }

  end(nowMs: number): void {
    this.#cells.set(CELL.sweeping, 0);
    this.#cells.set(CELL.againAtMs, nowMs + SWEEP_PAUSE_MS);
    this.#cells.set(CELL.nextStaleUntilMs, this.#cells.get(CELL.sweptNextStaleUntilMs));
  }

  /** An entry has a new end, which the sweep under way may not see. */
  willGo(staleUntilMs: number): void {
    this.#lower(CELL.nextStaleUntilMs, staleUntilMs);
    this.#lower(CELL.sweptNextStaleUntilMs, staleUntilMs);
  }

  /** The sweep under way has seen an entry that stays until then. */
  sawOneGoing(staleUntilMs: number): void {
    this.#lower(CELL.sweptNextStaleUntilMs, staleUntilMs);
  }

  #lower(at: number, staleUntilMs: number): void {
    if (staleUntilMs < this.#earliest(at)) this.#cells.set(at, staleUntilMs);
  }

  /** 0, as in new memory, says that nothing goes. */
  #earliest(at: number): number {
    return this.#cells.get(at) || Infinity;
  }
}

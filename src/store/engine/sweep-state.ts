/** How far the sweep of a shard is, and when the next one is due. In shared memory: any thread may continue a sweep. */
import { Cells, cellsBytes } from "../shm/cells.ts";
import type { MemoryPart } from "../shm/memory-part.ts";
import type { Region } from "../shm/region.ts";

const CELL = {
  sweeping: 0,
  scanPosition: 1,
  revision: 2,
  endedAtMs: 3,
  nextStaleUntilMs: 4,
  sweptNextStaleUntilMs: 5,
  wantedRevision: 6,
  sweptRevision: 7,
} as const;

export const SWEEP_STATE_BYTES = cellsBytes(Object.keys(CELL).length);

/** Tag fences and expired entries may collect for this long. */
const SWEEP_PAUSE_MS = 5_000;
/** The same, when the bound of tag fences is near. */
const PRESSED_PAUSE_MS = 500;

export class SweepState {
  readonly #cells: Cells;

  constructor(region: Region) {
    this.#cells = new Cells(region);
  }

  parts(): MemoryPart[] {
    return [this.#cells.part(1, Object.keys(CELL).length)];
  }

  get sweeping(): boolean {
    return this.#cells.get(CELL.sweeping) === 1;
  }

  /** Where the scan of the table continues; 0: it has ended. */
  get scanPosition(): number {
    return this.#cells.get(CELL.scanPosition);
  }

  set scanPosition(position: number) {
    this.#cells.set(CELL.scanPosition, position);
  }

  /** The shard's revision when the sweep began: at its end, fences up to this revision are dropped. */
  get revision(): number {
    return this.#cells.get(CELL.revision);
  }

  /** All that was invalidated up to this revision was removed or marked by a sweep that has ended. */
  get sweptRevision(): number {
    return this.#cells.get(CELL.sweptRevision);
  }

  /** What is invalidated at this revision is to be swept without a pause. */
  want(revision: number): void {
    this.#cells.set(CELL.wantedRevision, revision);
  }

  get isWanted(): boolean {
    return this.#cells.get(CELL.wantedRevision) > this.sweptRevision;
  }

  /** A sweep is worth its while: there are tag fences, or entries have expired. */
  isDue(tagFences: "none" | "some" | "many", nowMs: number): boolean {
    const pauseMs = tagFences === "many" ? PRESSED_PAUSE_MS : SWEEP_PAUSE_MS;
    const endedAtMs = this.#cells.get(CELL.endedAtMs);
    if (endedAtMs > 0 && nowMs < endedAtMs + pauseMs) return false;
    return tagFences !== "none" || nowMs >= this.#earliest(CELL.nextStaleUntilMs);
  }

  begin(revision: number, scanPosition: number): void {
    this.#cells.set(CELL.sweeping, 1);
    this.#cells.set(CELL.revision, revision);
    this.#cells.set(CELL.scanPosition, scanPosition);
    this.#cells.set(CELL.sweptNextStaleUntilMs, 0);
  }

  end(nowMs: number): void {
    this.#cells.set(CELL.sweeping, 0);
    this.#cells.set(CELL.sweptRevision, this.revision);
    this.#cells.set(CELL.endedAtMs, nowMs);
    this.#cells.set(CELL.nextStaleUntilMs, this.#cells.get(CELL.sweptNextStaleUntilMs));
  }

  /** An entry expires at this time, and the current sweep may not visit it. */
  noteExpiry(staleUntilMs: number): void {
    this.#lower(CELL.nextStaleUntilMs, staleUntilMs);
    this.#lower(CELL.sweptNextStaleUntilMs, staleUntilMs);
  }

  /** The current sweep has visited an entry that expires at this time. */
  noteSweptExpiry(staleUntilMs: number): void {
    this.#lower(CELL.sweptNextStaleUntilMs, staleUntilMs);
  }

  #lower(at: number, staleUntilMs: number): void {
    if (staleUntilMs < this.#earliest(at)) this.#cells.set(at, staleUntilMs);
  }

  /** 0, as in new memory: no entry expires. */
  #earliest(at: number): number {
    return this.#cells.get(at) || Infinity;
  }
}

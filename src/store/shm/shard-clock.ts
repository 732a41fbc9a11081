/**
 * The two numbers of a shard that never decrease: its revision, and the time of its last operation. That time is the
 * monotonic clock, and what it missed: it stands still while the host is suspended, and a virtual machine that was stopped
 * sees its wall clock set forth. So where the wall clock went on by more, that much has passed too, and every TTL and lease
 * that has ended by the wall clock has ended. A wall clock that is set back changes nothing.
 */
import { type Clock, type Moment, readBoth } from "../../common/clock.ts";
import type { Stamp } from "../api/store.ts";
import { Cells, cellsBytes } from "./cells.ts";
import type { MemoryPart } from "./memory-part.ts";
import type { Region } from "./region.ts";

/** `aheadMs`: the wall clock, ahead of the monotonic one. `missedMs`: what the monotonic clock has missed. */
const CELL = { revision: 0, nowMs: 1, aheadMs: 2, missedMs: 3 } as const;

/** What the clocks may differ by: they are read one after the other, and do not tick alike. */
const DRIFT_MAX_MS = 10;

export const SHARD_CLOCK_BYTES = cellsBytes(Object.keys(CELL).length);

export class ShardClock {
  readonly #shard: number;
  readonly #clock: Clock;
  readonly #cells: Cells;
  /** Reused until the revision changes: most operations are reads. */
  #stamp: Stamp;

  constructor(shard: number, region: Region, clock: Clock) {
    this.#shard = shard;
    this.#clock = clock;
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

  parts(): MemoryPart[] {
    return [this.#cells.part(1, Object.keys(CELL).length)];
  }

  /**
   * Goes on in another process, whose monotonic clock counts from elsewhere, `passedMs` after the last operation. With the
   * lock of the shard.
   */
  resume(passedMs: number): void {
    const { wallMs, afterMs } = readBoth(this.#clock);
    const nowMs = this.nowMs + passedMs;
    this.#cells.set(CELL.nowMs, nowMs);
    this.#cells.set(CELL.missedMs, nowMs - afterMs);
    this.#cells.set(CELL.aheadMs, wallMs - afterMs);
  }

  /** Begins a mutation. */
  bump(): void {
    this.#cells.set(CELL.revision, this.#cells.get(CELL.revision) + 1);
  }

  /** The time of the last operation. */
  get nowMs(): number {
    return this.#cells.get(CELL.nowMs);
  }

  /**
   * The time of an operation. With the lock of the shard. `begun`: when an operation on several shards began, which reads
   * the clocks once for all of them.
   */
  advance(begun?: Moment): number {
    const cells = this.#cells;
    const monotonicMs = begun === undefined ? this.#clock.nowMs() : begun.monotonicMs;
    const wallMs = begun === undefined ? this.#clock.wallMs() : begun.wallMs;
    const aheadMs = wallMs - monotonicMs;
    if (Math.abs(aheadMs - cells.get(CELL.aheadMs)) > DRIFT_MAX_MS) this.#compare();
    const lastMs = cells.get(CELL.nowMs);
    const nowMs = monotonicMs + cells.get(CELL.missedMs);
    if (nowMs <= lastMs) return lastMs;
    cells.set(CELL.nowMs, nowMs);
    return nowMs;
  }

  /** The clocks seem to have diverged: unless this thread only stood still between the two reads. */
  #compare(): void {
    const cells = this.#cells;
    const { wallMs, afterMs } = readBoth(this.#clock);
    const aheadMs = wallMs - afterMs;
    const divergedMs = aheadMs - cells.get(CELL.aheadMs);
    if (Math.abs(divergedMs) <= DRIFT_MAX_MS) return;
    const isFirst = cells.get(CELL.nowMs) === 0;
    if (divergedMs > 0 && !isFirst) cells.set(CELL.missedMs, cells.get(CELL.missedMs) + divergedMs);
    cells.set(CELL.aheadMs, aheadMs);
  }
}

/**
 * A store as bytes: the parts of its memory, always in the same order. For who copies them out of a store that nobody uses any
 * more, and into the memory of a new one, which then goes on from there.
 *
 * What belongs to a process is left out: locks, leases and their holders, counters, wake-ups.
 */
import type { Clock } from "../../common/clock.ts";
import { systemRng } from "../../common/random.ts";
import type { TableOptions } from "../api/table.ts";
import { tagCountsBytes } from "../fences/tag-counts.ts";
import { createOffheapTable } from "../tables/offheap/offheap-table.ts";
import { hasRoomToMove, moveTable, tableParts } from "../tables/offheap/table-image.ts";
import type { BoundedParts, Shard } from "./shard.ts";
import { cutShardState } from "./shard-memory.ts";
import { ShardedStore } from "./sharded-store.ts";
import type { StoreMemory } from "./store-memory.ts";

export type { MemoryPart } from "../shm/memory-part.ts";
export type { BoundedParts } from "./shard.ts";
export type { Inheritance, StoreSeeds } from "./store-memory.ts";

export class StoreImage {
  readonly #memory: StoreMemory;
  readonly #shards: readonly Shard[];

  /** Of a store with the engine "offheap", which nobody uses meanwhile. */
  constructor(memory: StoreMemory, clock: Clock) {
    this.#memory = memory;
    // Without bounds of namespaces, which would be written into the memory.
    const unbounded = { ...memory, namespaces: [] };
    const threads = { self: 0, count: memory.threads, send() {} };
    const createTableIn = (buffer: SharedArrayBuffer | undefined) => (options: TableOptions) =>
      createOffheapTable(options, buffer);
    const store = new ShardedStore({ memory: unbounded, clock, rng: systemRng, threads, createTableIn });
    this.#shards = store.shardsInMemory;
  }

  /** No operation was under way when its thread ended. */
  get isWhole(): boolean {
    const { shards, limits } = this.#memory;
    return shards.every(({ state }) => {
      const { lock } = cutShardState(state, limits);
      return Atomics.load(new Int32Array(lock.buffer, lock.begin, 1), 0) === 0;
    });
  }

  /** By shard. */
  get revisions(): number[] {
    return this.#shards.map((shard) => shard.revision);
  }

  get entries(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.stats().entries, 0);
  }

  /** Of each shard: what is in use of its memory now, and how much there is. */
  parts(): BoundedParts[][] {
    const { shards, limits } = this.#memory;
    return this.#shards.map((shard, index) => {
      const table = shards[index]?.table;
      if (table === undefined) throw new Error("only the engine offheap keeps its entries as bytes");
      return [...shard.parts(), { bound: "budgetBytes", parts: tableParts(table, limits.budgetBytes) }];
    });
  }

  /** Brings the clocks of all shards to the current time, from which `resume` counts. */
  stopClocks(): void {
    for (const shard of this.#shards) {
      shard.enter();
      shard.leave();
    }
  }

  /**
   * Goes on with the parts of a store, `passedMs` after its clocks were stopped. `formerBudgetBytes`: of a shard there. False: the
   * budget has no room for its entries.
   */
  resume(passedMs: number, formerBudgetBytes: number): boolean {
    const { limits, shards } = this.#memory;
    const { budgetBytes } = limits;
    const recounts = tagCountsBytes(budgetBytes) !== tagCountsBytes(formerBudgetBytes);
    return this.#shards.every((shard, index) => {
      const table = shards[index]?.table;
      if (table === undefined || !hasRoomToMove(table, budgetBytes)) return false;
      moveTable(table, budgetBytes, formerBudgetBytes);
      if (recounts) shard.recountTags();
      shard.resume(passedMs);
      return true;
    });
  }
}

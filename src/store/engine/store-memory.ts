/** All that the threads of one store share: made once, and cloned to each of them. */
import { CacheError } from "../../common/errors.ts";
import type { Rng } from "../../common/random.ts";
import { threadWakeupsBytes } from "../events/thread-wakeups.ts";
import { countersBytes } from "../shm/counters.ts";
import { alignedBytes, createBuffer, createCutter, type Region } from "../shm/region.ts";
import { createTableBuffer } from "../tables/offheap/offheap-table.ts";
import { createShardState, type ShardLimits } from "./shard-memory.ts";
import type { StoreEngine } from "./store-options.ts";

/** Plain data and shared buffers. */
export interface StoreMemory {
  readonly engine: StoreEngine;
  /** How many threads may attach, each with a number of its own from 0 on. */
  readonly threads: number;
  readonly limits: ShardLimits;
  readonly epoch: bigint;
  readonly seeds: { readonly hash: bigint; readonly names: readonly [bigint, bigint] };
  /** What the shards have in common. */
  readonly common: SharedArrayBuffer;
  readonly shards: readonly ShardMemory[];
}

interface ShardMemory {
  readonly state: SharedArrayBuffer;
  /** `undefined`: the engine keeps its entries elsewhere. */
  readonly table: SharedArrayBuffer | undefined;
}

interface StoreMemoryOptions {
  readonly engine: StoreEngine;
  readonly threads: number;
  readonly shards: number;
  readonly limits: ShardLimits;
  readonly rng: Rng;
}

const SIZES = {
  counters: countersBytes,
  threadWakeups: threadWakeupsBytes,
};

type CommonRegions = Readonly<Record<keyof typeof SIZES, Region>>;

/** Throws LIMIT_EXCEEDED when the system has no room for it. */
export function allocateStoreMemory(options: StoreMemoryOptions): StoreMemory {
  try {
    return allocate(options);
  } catch (error) {
    // What V8 throws for a buffer that it does not get.
    if (!(error instanceof RangeError)) throw error;
    const message = "the system has no room for a store as large as its shards, budget and bounds make it";
    throw new CacheError(
      "LIMIT_EXCEEDED",
      message,
      { limit: "memory", bound: "the system's" },
      { cause: error },
    );
  }
}

function allocate({ engine, threads, shards, limits, rng }: StoreMemoryOptions): StoreMemory {
  const commonBytes = Object.values(SIZES).reduce((sum, size) => sum + alignedBytes(size(threads)), 0);
  return {
    engine,
    threads,
    limits,
    epoch: rng.uint64(),
    seeds: { hash: rng.uint64(), names: [rng.uint64(), rng.uint64()] },
    common: createBuffer(commonBytes),
    shards: Array.from({ length: shards }, () => ({
      state: createShardState(limits),
      table: engine === "offheap" ? createTableBuffer(limits.budgetBytes) : undefined,
    })),
  };
}

export function cutCommon({ common, threads }: StoreMemory): CommonRegions {
  const cut = createCutter(common);
  return {
    counters: cut(SIZES.counters(threads)),
    threadWakeups: cut(SIZES.threadWakeups(threads)),
  };
}

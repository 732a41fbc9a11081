/** The memory that the threads of one store share: allocated once, and passed to each of them. */
import { CacheError } from "../../common/errors.ts";
import type { Rng } from "../../common/random.ts";
import type { NamespaceBounds } from "../api/store.ts";
import { threadWakeupsBytes } from "../events/thread-wakeups.ts";
import { holderListBytes } from "../leases/holder-list.ts";
import { countersBytes } from "../shm/counters.ts";
import { alignedBytes, createBuffer, createCutter, type Region } from "../shm/region.ts";
import { createTableBuffer } from "../tables/offheap/offheap-table.ts";
import { createShardState, type ShardLimits } from "./shard-memory.ts";
import type { StoreEngine } from "./store-options.ts";

/** Plain data and shared buffers, so that it can be posted to a thread. */
export interface StoreMemory {
  readonly engine: StoreEngine;
  /** The number of threads. */
  readonly threads: number;
  readonly limits: ShardLimits;
  /** The first bounds of namespaces. */
  readonly namespaces: readonly NamespaceBounds[];
  readonly epoch: bigint;
  readonly seeds: { readonly hash: bigint; readonly names: readonly [bigint, bigint] };
  /** What all shards share. */
  readonly common: SharedArrayBuffer;
  readonly shards: readonly ShardMemory[];
}

interface ShardMemory {
  readonly state: SharedArrayBuffer;
  /** `undefined`: the engine keeps its entries on the heap. */
  readonly table: SharedArrayBuffer | undefined;
}

interface StoreMemoryOptions {
  readonly engine: StoreEngine;
  readonly threads: number;
  readonly shards: number;
  readonly limits: ShardLimits;
  readonly namespaces: readonly NamespaceBounds[];
  readonly rng: Rng;
}

const SIZES = {
  counters: countersBytes,
  threadWakeups: threadWakeupsBytes,
  leaseHolders: holderListBytes,
};

type CommonRegions = Readonly<Record<keyof typeof SIZES, Region>>;

/** Throws LIMIT_EXCEEDED when the system does not have the memory. */
export function allocateStoreMemory(options: StoreMemoryOptions): StoreMemory {
  try {
    return allocate(options);
  } catch (error) {
    // V8 throws a RangeError when it cannot allocate a buffer.
    if (!(error instanceof RangeError)) throw error;
    const message =
      "the system does not have the memory for a store of this budget, these shards and these bounds";
    throw new CacheError(
      "LIMIT_EXCEEDED",
      message,
      { limit: "memory", bound: "the system's" },
      { cause: error },
    );
  }
}

function allocate({ engine, threads, shards, limits, namespaces, rng }: StoreMemoryOptions): StoreMemory {
  const commonBytes = Object.values(SIZES).reduce((sum, size) => sum + alignedBytes(size(threads)), 0);
  return {
    engine,
    threads,
    limits,
    namespaces,
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
    leaseHolders: cut(SIZES.leaseHolders()),
  };
}

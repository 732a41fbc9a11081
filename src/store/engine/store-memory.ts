/** The memory that the threads of one store share: allocated once, and passed to each of them. */
import { CacheError } from "../../common/errors.ts";
import type { Rng } from "../../common/random.ts";
import type { NamespaceBounds, Predecessor } from "../api/store.ts";
import { threadWakeupsBytes } from "../events/thread-wakeups.ts";
import { holderListBytes } from "../leases/holder-list.ts";
import { countersBytes } from "../shm/counters.ts";
import { alignedBytes, createBuffer, createCutter, type Region } from "../shm/region.ts";
import { createTableBuffer } from "../tables/offheap/offheap-table.ts";
import { createShardState, type ShardLimits } from "./shard-memory.ts";
import type { StoreEngine } from "./store-options.ts";

/** What decides where names lie: the same seeds give the same places. */
export interface StoreSeeds {
  readonly hash: bigint;
  readonly names: readonly [bigint, bigint];
}

/** What a store takes over from another one. */
export interface Inheritance {
  readonly predecessors: readonly Predecessor[];
  readonly seeds: StoreSeeds;
}

/** Plain data and shared buffers, so that it can be posted to a thread. */
export interface StoreMemory {
  readonly engine: StoreEngine;
  /** The number of threads. */
  readonly threads: number;
  readonly limits: ShardLimits;
  /** The first bounds of namespaces. */
  readonly namespaces: readonly NamespaceBounds[];
  readonly epoch: bigint;
  /** The epochs that it continues, the latest first. */
  readonly predecessors: readonly Predecessor[];
  readonly seeds: StoreSeeds;
  /** What all shards share. */
  readonly common: SharedArrayBuffer;
  readonly shards: readonly ShardMemory[];
}

export interface ShardMemory {
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
  /** Undefined: the store begins anew. */
  readonly inheritance: Inheritance | undefined;
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

function allocate(options: StoreMemoryOptions): StoreMemory {
  const { engine, threads, shards, limits, namespaces, rng, inheritance } = options;
  const commonBytes = Object.values(SIZES).reduce((sum, size) => sum + alignedBytes(size(threads)), 0);
  return {
    engine,
    threads,
    limits,
    namespaces,
    epoch: rng.uint64(),
    predecessors: inheritance?.predecessors ?? [],
    seeds: inheritance?.seeds ?? { hash: rng.uint64(), names: [rng.uint64(), rng.uint64()] },
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

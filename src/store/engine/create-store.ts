/** Makes a store: memory for it, and the view that each thread has of that memory. */
import { type Clock, systemClock } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { type Rng, systemRng } from "../../common/random.ts";
import type { Store } from "../api/store.ts";
import { SINGLE_THREAD, type StoreThreads } from "../api/threads.ts";
import { createLruTable } from "../tables/lru-table.ts";
import { createOffheapTable } from "../tables/offheap/offheap-table.ts";
import { type AttachedStore, ShardedStore } from "./sharded-store.ts";
import { allocateStoreMemory, type Inheritance, type StoreMemory } from "./store-memory.ts";
import { resolveStoreOptions, type StoreOptions } from "./store-options.ts";

export type { AttachedStore } from "./sharded-store.ts";
export type { StoreMemory } from "./store-memory.ts";
export { STORE_ENGINES, type StoreEngine, type StoreOptions } from "./store-options.ts";

/** A store of one thread. Throws as `createStoreMemory`. */
export function createStore(options: Partial<StoreOptions> = {}): Store {
  return attachStore(createStoreMemory(options), options);
}

/**
 * Empty memory for a store of several threads: each of them calls `attachStore` with it. Throws FIELD_INVALID as
 * `resolveStoreOptions`, and for "lru" with more than one thread, since it keeps its entries on the heap of one. Throws
 * LIMIT_EXCEEDED when the system does not have the memory: all of it is reserved, though not used, at once. `inheritance`: of a
 * store whose bytes are then put into this memory (store-image.ts).
 */
export function createStoreMemory(
  options: Partial<StoreOptions> = {},
  threads = 1,
  inheritance?: Inheritance,
): StoreMemory {
  const resolved = resolveStoreOptions(options);
  const { engine, shards, rng, budgetBytes, logMaxEvents, logMaxBytes } = resolved;
  if (engine === "lru" && threads > 1) throw fieldInvalid("engine", "offheap for more than one thread");
  const { namespacesMax, tagFencesMax, prefixFencesMax, tombstonesMax, requestIdsMax } = resolved;
  const { leasesMax, leasesOfHolderMax, leasesOfNamespaceMax, waitersMax } = resolved;
  return allocateStoreMemory({
    engine,
    threads,
    shards,
    rng,
    inheritance,
    namespaces: resolved.namespaces,
    limits: {
      budgetBytes: Math.floor(budgetBytes / shards),
      log: { maxEvents: logMaxEvents, maxBytes: logMaxBytes },
      namespacesMax,
      tagFencesMax,
      prefixFencesMax,
      tombstonesMax,
      leasesMax,
      leasesOfHolderMax,
      leasesOfNamespaceMax,
      waitersMax,
      requestIdsMax,
    },
  });
}

interface AttachOptions {
  /** The same for all threads. Default: the system's. */
  readonly clock?: Clock;
  /** Makes the lease tokens. Default: the system's. */
  readonly rng?: Rng;
  /** Default: the only thread of the store. */
  readonly threads?: StoreThreads;
}

/**
 * One thread's view of the store in `memory`. Each thread has a number of its own. Throws a RangeError when the memory
 * was made for another number of threads: a thread that takes itself for the only one would take no locks.
 */
export function attachStore(memory: StoreMemory, options: AttachOptions = {}): AttachedStore {
  const { clock = systemClock, rng = systemRng, threads = SINGLE_THREAD } = options;
  if (threads.count !== memory.threads || threads.self < 0 || threads.self >= memory.threads) {
    throw new RangeError(`the memory is for ${memory.threads} threads, numbered from 0`);
  }
  return new ShardedStore({
    memory,
    clock,
    rng,
    threads,
    createTableIn: (buffer) =>
      buffer === undefined ? createLruTable : (table) => createOffheapTable(table, buffer),
  });
}

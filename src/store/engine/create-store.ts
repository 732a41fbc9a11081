/** Makes a store from its options: fills in the defaults and checks the ranges, here and nowhere else. */
import type { Bound } from "../../common/bound.ts";
import { type Clock, systemClock } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { type Rng, systemRng } from "../../common/random.ts";
import type { Store } from "../api/store.ts";
import { type StoreThreads, singleThread } from "../api/threads.ts";
import { createLruTable } from "../tables/lru-table.ts";
import { budgetMaxBytes, budgetMinBytes } from "../tables/offheap/geometry.ts";
import { createOffheapTable } from "../tables/offheap/offheap-table.ts";
import { type AttachedStore, ShardedStore } from "./sharded-store.ts";
import { allocateStoreMemory, type StoreEngine, type StoreMemory } from "./store-memory.ts";

export type { AttachedStore } from "./sharded-store.ts";
export type { StoreEngine, StoreMemory } from "./store-memory.ts";

export interface StoreOptions {
  /**
   * What keeps the entries. "offheap", the default: bytes in one SharedArrayBuffer a shard, evicted by S3-FIFO.
   * "lru": objects on the heap, least recently used evicted first.
   */
  readonly engine: StoreEngine;
  /** Parts with a revision, an event log and leases of their own. 1 to 256, default 16. */
  readonly shards: number;
  /**
   * For all entries of all shards, overhead included. At least 65,536 a shard, at most 549,739,036,672, default
   * 268,435,456; with "offheap" at most 2,147,418,112 a shard, and reserved at once, though no memory is used before
   * it is needed.
   */
  readonly budgetBytes: number;
  /** Events that a shard keeps for subscribers that resume. 1 to 16,777,216, default 65,536. */
  readonly logMaxEvents: number;
  /** Their bytes. 4,096 to 1,073,741,824, default 8,388,608. */
  readonly logMaxBytes: number;
  /** Tag fences of a shard. 1 to 1,048,576, default 8,192. */
  readonly tagFencesMax: number;
  /** Prefix and namespace fences of a shard that wait for their sweep. 1 to 1,024, default 64. */
  readonly prefixFencesMax: number;
  /** Source versions that a shard remembers of keys without entries. 1 to 16,777,216, default 65,536. */
  readonly tombstonesMax: number;
  /**
   * Leases of a shard; fewer of keys that take, with their namespaces, more than 232 bytes on average. 1 to
   * 1,048,576, default 16,384.
   */
  readonly leasesMax: number;
  /** Callers that wait for the lease of one key. 0 to 65,536, default 1,024. A shard has room for 65,536 of all keys. */
  readonly waitersMax: number;
  /** Answers to Sets with a request id that a shard remembers. 1 to 1,048,576, default 4,096. */
  readonly requestIdsMax: number;
  readonly clock: Clock;
  readonly rng: Rng;
}

export const STORE_ENGINES: readonly StoreEngine[] = ["offheap", "lru"];
export const DEFAULT_STORE_ENGINE: StoreEngine = "offheap";

const SHARDS_MAX = 256;
const MIB = 2 ** 20;

/** The range and the default of every option that is a number. `storeBudgetRange` narrows that of the budget. */
export const STORE_BOUNDS: Readonly<Record<StoreQuantity, Bound>> = {
  shards: { fallback: 16, min: 1, max: SHARDS_MAX },
  budgetBytes: { fallback: 256 * MIB, min: budgetMinBytes, max: budgetMaxBytes * SHARDS_MAX },
  logMaxEvents: { fallback: 65_536, min: 1, max: 16_777_216 },
  logMaxBytes: { fallback: 8 * MIB, min: 4_096, max: 1_024 * MIB },
  tagFencesMax: { fallback: 8_192, min: 1, max: 1_048_576 },
  prefixFencesMax: { fallback: 64, min: 1, max: 1_024 },
  tombstonesMax: { fallback: 65_536, min: 1, max: 16_777_216 },
  leasesMax: { fallback: 16_384, min: 1, max: 1_048_576 },
  waitersMax: { fallback: 1_024, min: 0, max: 65_536 },
  requestIdsMax: { fallback: 4_096, min: 1, max: 1_048_576 },
};

type StoreQuantity = Exclude<keyof StoreOptions, "engine" | "clock" | "rng">;

/** The budgets in bytes that an engine takes for so many shards. */
export function storeBudgetRange(engine: StoreEngine, shards: number): Pick<Bound, "min" | "max"> {
  const { max } = STORE_BOUNDS.budgetBytes;
  return { min: budgetMinBytes * shards, max: engine === "offheap" ? budgetMaxBytes * shards : max };
}

/** Throws FIELD_INVALID for the first option out of its range. */
export function resolveStoreOptions(options: Partial<StoreOptions> = {}): StoreOptions {
  const { engine = DEFAULT_STORE_ENGINE, clock = systemClock, rng = systemRng } = options;
  if (!STORE_ENGINES.includes(engine)) throw fieldInvalid("engine", `one of ${STORE_ENGINES.join(", ")}`);
  const pick = (name: StoreQuantity, range: Pick<Bound, "min" | "max"> = STORE_BOUNDS[name]): number => {
    const value = options[name] ?? STORE_BOUNDS[name].fallback;
    if (!Number.isSafeInteger(value) || value < range.min || value > range.max) {
      throw fieldInvalid(name, `a whole number from ${range.min} to ${range.max}`);
    }
    return value;
  };
  const shards = pick("shards");
  return {
    engine,
    shards,
    budgetBytes: pick("budgetBytes", storeBudgetRange(engine, shards)),
    logMaxEvents: pick("logMaxEvents"),
    logMaxBytes: pick("logMaxBytes"),
    tagFencesMax: pick("tagFencesMax"),
    prefixFencesMax: pick("prefixFencesMax"),
    tombstonesMax: pick("tombstonesMax"),
    leasesMax: pick("leasesMax"),
    waitersMax: pick("waitersMax"),
    requestIdsMax: pick("requestIdsMax"),
    clock,
    rng,
  };
}

/** A store that one thread has for itself. Throws as `createStoreMemory`. */
export function createStore(options: Partial<StoreOptions> = {}): Store {
  return attachStore(createStoreMemory(options), options);
}

/**
 * Memory for a store of several threads, empty, for `attachStore` in each of them. Throws FIELD_INVALID as
 * `resolveStoreOptions`, or for more threads than an engine can have: "lru" keeps its entries on the heap of one.
 * Throws LIMIT_EXCEEDED when the system has no room for so much: all of it is reserved, though not used, at once.
 */
export function createStoreMemory(options: Partial<StoreOptions> = {}, threads = 1): StoreMemory {
  const resolved = resolveStoreOptions(options);
  const { engine, shards, rng, logMaxEvents, logMaxBytes } = resolved;
  if (engine === "lru" && threads > 1) throw fieldInvalid("engine", "offheap for more than one thread");
  const { tagFencesMax, prefixFencesMax, tombstonesMax, leasesMax, waitersMax, requestIdsMax } = resolved;
  return allocateStoreMemory({
    engine,
    threads,
    shards,
    rng,
    limits: {
      budgetBytes: Math.floor(resolved.budgetBytes / shards),
      log: { maxEvents: logMaxEvents, maxBytes: logMaxBytes },
      tagFencesMax,
      prefixFencesMax,
      tombstonesMax,
      leasesMax,
      waitersMax,
      requestIdsMax,
    },
  });
}

export interface AttachOptions {
  /** The same for all threads. Default: the system's. */
  readonly clock?: Clock;
  /** Of lease tokens. Default: the system's. */
  readonly rng?: Rng;
  /** Default: one thread has the store for itself. */
  readonly threads?: StoreThreads;
}

/**
 * The store in `memory` as one of its threads has it, each with a number of its own. Throws a RangeError when these
 * are not the threads that the memory was made for: who believes to be alone takes no locks.
 */
export function attachStore(memory: StoreMemory, options: AttachOptions = {}): AttachedStore {
  const { clock = systemClock, rng = systemRng, threads = singleThread } = options;
  if (threads.count !== memory.threads || threads.self < 0 || threads.self >= memory.threads) {
    throw new RangeError(`the memory is that of ${memory.threads} threads, numbered from 0`);
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

/** Makes a store from its options: fills in the defaults and checks the ranges, here and nowhere else. */
import { type Clock, systemClock } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { type Rng, systemRng } from "../../common/random.ts";
import type { Store } from "../api/store.ts";
import { type StoreThreads, singleThread } from "../api/threads.ts";
import { createLruTable } from "../tables/lru-table.ts";
import { budgetMaxBytes } from "../tables/offheap/geometry.ts";
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
   * For all entries of all shards, overhead included. At least 65,536 a shard, default 268,435,456; with
   * "offheap" at most 2,147,418,112 a shard, and reserved at once, though no memory is used before it is needed.
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

const engines: readonly StoreEngine[] = ["offheap", "lru"];
const shardBudgetMinBytes = 65_536;

/** Throws FIELD_INVALID for the first option out of its range. */
export function resolveStoreOptions(options: Partial<StoreOptions> = {}): StoreOptions {
  const resolved: StoreOptions = {
    engine: options.engine ?? "offheap",
    shards: options.shards ?? 16,
    budgetBytes: options.budgetBytes ?? 256 * 1024 * 1024,
    logMaxEvents: options.logMaxEvents ?? 65_536,
    logMaxBytes: options.logMaxBytes ?? 8 * 1024 * 1024,
    tagFencesMax: options.tagFencesMax ?? 8_192,
    prefixFencesMax: options.prefixFencesMax ?? 64,
    tombstonesMax: options.tombstonesMax ?? 65_536,
    leasesMax: options.leasesMax ?? 16_384,
    waitersMax: options.waitersMax ?? 1_024,
    requestIdsMax: options.requestIdsMax ?? 4_096,
    clock: options.clock ?? systemClock,
    rng: options.rng ?? systemRng,
  };
  if (!engines.includes(resolved.engine)) throw fieldInvalid("engine", `one of ${engines.join(", ")}`);
  const { shards } = resolved;
  checkRange("shards", shards, 1, 256);
  const budgetMost = resolved.engine === "offheap" ? budgetMaxBytes * shards : Number.MAX_SAFE_INTEGER;
  checkRange("budgetBytes", resolved.budgetBytes, shardBudgetMinBytes * shards, budgetMost);
  checkRange("logMaxEvents", resolved.logMaxEvents, 1, 16_777_216);
  checkRange("logMaxBytes", resolved.logMaxBytes, 4_096, 1_073_741_824);
  checkRange("tagFencesMax", resolved.tagFencesMax, 1, 1_048_576);
  checkRange("prefixFencesMax", resolved.prefixFencesMax, 1, 1_024);
  checkRange("tombstonesMax", resolved.tombstonesMax, 1, 16_777_216);
  checkRange("leasesMax", resolved.leasesMax, 1, 1_048_576);
  checkRange("waitersMax", resolved.waitersMax, 0, 65_536);
  checkRange("requestIdsMax", resolved.requestIdsMax, 1, 1_048_576);
  return resolved;
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

function checkRange(field: keyof StoreOptions, value: number, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw fieldInvalid(field, `a whole number from ${min} to ${max}`);
  }
}

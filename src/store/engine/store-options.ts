/** The options of a store: every default and range of a store is written here, and checked here. */
import { type Bound, describeRange, isWithin } from "../../common/bound.ts";
import { type Clock, systemClock } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { type Rng, systemRng } from "../../common/random.ts";
import type { NamespaceBounds } from "../api/store.ts";
import { SHARD_WAITERS_MAX } from "../leases/waiter-records.ts";
import { checkNamespaceBounds, NAMESPACE_PATTERN } from "../namespaces/namespace-bounds.ts";
import { NAMESPACES_LIMIT } from "../namespaces/namespace-table.ts";
import { headBytes } from "../tables/offheap/entry-head.ts";
import { BUDGET_MAX_BYTES, BUDGET_MIN_BYTES, headMaxBytes } from "../tables/offheap/geometry.ts";

export { checkNamespaceBounds, headBytes, headMaxBytes, NAMESPACE_PATTERN, type NamespaceBounds };

/**
 * `offheap`: bytes outside the garbage-collected heap, evicted by S3-FIFO. `lru`: objects on the heap, evicted by LRU.
 */
export const STORE_ENGINES = ["offheap", "lru"] as const;
export type StoreEngine = (typeof STORE_ENGINES)[number];
export const DEFAULT_STORE_ENGINE: StoreEngine = "offheap";

export interface StoreOptions {
  /** What keeps the entries. Default "offheap". */
  readonly engine: StoreEngine;
  /** Parts with a revision, an event log and leases of their own. 1 to 256, default 16. */
  readonly shards: number;
  /**
   * For all entries of all shards, overhead included. At least 65,536 a shard, at most 549,739,036,672, default 268,435,456. With
   * "offheap" at most 2,147,418,112 a shard; all of it is reserved at once, and takes memory only as it is needed.
   */
  readonly budgetBytes: number;
  /** Events that a shard keeps for subscribers that resume. 1 to 16,777,216, default 65,536. */
  readonly logMaxEvents: number;
  /** Bytes of these events. 4,096 to 1,073,741,824, default 8,388,608. */
  readonly logMaxBytes: number;
  /**
   * Namespaces that a shard accounts one by one. Further ones share what is accounted together. 1 to 65,528, default
   * 1,024.
   */
  readonly namespacesMax: number;
  /** Bounds in bytes of namespaces. Default: none. Floors together at most `budgetBytes`. */
  readonly namespaces: readonly NamespaceBounds[];
  /** Tag fences of a shard. 1 to 1,048,576, default 8,192. */
  readonly tagFencesMax: number;
  /** Prefix fences of a shard that wait for their sweep. 1 to 1,024, default 64. */
  readonly prefixFencesMax: number;
  /** Source versions that a shard remembers of keys without entries. 1 to 16,777,216, default 65,536. */
  readonly tombstonesMax: number;
  /**
   * Leases of a shard. 1 to 1,048,576, default 16,384. Beyond, a holder with many of them loses its oldest one to a holder
   * with few. There is room for fewer when their keys take more than 232 bytes on average.
   */
  readonly leasesMax: number;
  /**
   * Leases of a shard that one holder may have: an Exchange, or the unary calls of a connection. A further one is refused.
   * 1 to 1,048,576, default 1,024.
   */
  readonly leasesOfHolderMax: number;
  /** Leases of a shard that one namespace may have. A further one is refused. 1 to 1,048,576, default 8,192. */
  readonly leasesOfNamespaceMax: number;
  /**
   * Callers that wait for the lease of one key. 0 to 65,536, default 1,024. Of all its keys a shard has room for four
   * times as many as for leases, at most 65,536.
   */
  readonly waitersMax: number;
  /** Answers to Sets with a request id that a shard remembers. 1 to 1,048,576, default 4,096. */
  readonly requestIdsMax: number;
  readonly clock: Clock;
  readonly rng: Rng;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const SHARDS_MAX = 256;

export const STORE_BOUNDS = {
  shards: { fallback: 16, min: 1, max: SHARDS_MAX },
  budgetBytes: { fallback: 256 * MIB, min: BUDGET_MIN_BYTES, max: BUDGET_MAX_BYTES * SHARDS_MAX },
  logMaxEvents: { fallback: 65_536, min: 1, max: 16_777_216 },
  logMaxBytes: { fallback: 8 * MIB, min: 4 * KIB, max: 1024 * MIB },
  namespacesMax: { fallback: 1_024, min: 1, max: NAMESPACES_LIMIT },
  tagFencesMax: { fallback: 8_192, min: 1, max: 1_048_576 },
  prefixFencesMax: { fallback: 64, min: 1, max: 1_024 },
  tombstonesMax: { fallback: 65_536, min: 1, max: 16_777_216 },
  leasesMax: { fallback: 16_384, min: 1, max: 1_048_576 },
  leasesOfHolderMax: { fallback: 1_024, min: 1, max: 1_048_576 },
  leasesOfNamespaceMax: { fallback: 8_192, min: 1, max: 1_048_576 },
  waitersMax: { fallback: 1_024, min: 0, max: SHARD_WAITERS_MAX },
  requestIdsMax: { fallback: 4_096, min: 1, max: 1_048_576 },
} as const satisfies Readonly<Partial<Record<keyof StoreOptions, Bound>>>;

/** Fills in the defaults. Throws FIELD_INVALID for the first option out of its range. */
export function resolveStoreOptions(options: Partial<StoreOptions> = {}): StoreOptions {
  const { engine = DEFAULT_STORE_ENGINE, clock = systemClock, rng = systemRng } = options;
  if (!STORE_ENGINES.includes(engine)) throw fieldInvalid("engine", `one of ${STORE_ENGINES.join(", ")}`);
  const shards = pick("shards");
  const budgetBytes = pick("budgetBytes", storeBudgetBound(engine, shards));
  const namespacesMax = pick("namespacesMax");
  const { namespaces = [] } = options;
  checkNamespaceBounds(namespaces, { budgetBytes, namespacesMax });
  return {
    engine,
    shards,
    budgetBytes,
    logMaxEvents: pick("logMaxEvents"),
    logMaxBytes: pick("logMaxBytes"),
    namespacesMax,
    namespaces,
    tagFencesMax: pick("tagFencesMax"),
    prefixFencesMax: pick("prefixFencesMax"),
    tombstonesMax: pick("tombstonesMax"),
    leasesMax: pick("leasesMax"),
    leasesOfHolderMax: pick("leasesOfHolderMax"),
    leasesOfNamespaceMax: pick("leasesOfNamespaceMax"),
    waitersMax: pick("waitersMax"),
    requestIdsMax: pick("requestIdsMax"),
    clock,
    rng,
  };

  function pick(name: keyof typeof STORE_BOUNDS, bound: Bound = STORE_BOUNDS[name]): number {
    const value = options[name] ?? bound.fallback;
    if (!isWithin(value, bound)) throw fieldInvalid(name, describeRange(bound));
    return value;
  }
}

/** The budgets in bytes that an engine takes for so many shards. */
export function storeBudgetBound(engine: StoreEngine, shards: number): Bound {
  const { fallback, max } = STORE_BOUNDS.budgetBytes;
  return {
    fallback,
    min: BUDGET_MIN_BYTES * shards,
    max: engine === "offheap" ? BUDGET_MAX_BYTES * shards : max,
  };
}

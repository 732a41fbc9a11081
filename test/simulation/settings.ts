/** The settings of the simulated server: those that its operator may change from one life to the next. */
import type { Rng } from "../../src/common/random.ts";
import type { StoreMemory } from "../../src/store/engine/create-store.ts";
import type { ShardLimits } from "../../src/store/engine/shard-memory.ts";
import { headMaxBytes, type StoreOptions } from "../../src/store/engine/store-options.ts";
import { chance, type Plan, pick } from "./plan.ts";

type Changed =
  | "shards"
  | "logMaxEvents"
  | "logMaxBytes"
  | "tagFencesMax"
  | "tombstonesMax"
  | "requestIdsMax"
  | "leasesMax";

export interface ServerSettings extends Partial<Pick<StoreOptions, Changed>> {
  readonly shards: number;
  /** The number of workers. */
  readonly threads: number;
  readonly shardBudgetBytes: number;
}

const KIB = 1024;
/** Each is large enough that nothing is evicted: no miss is the result of an eviction. */
const SHARD_BUDGETS_BYTES = [256 * KIB, 1024 * KIB, 1536 * KIB, 2048 * KIB];
const SHARD_BUDGET_BYTES = 1024 * KIB;
/** What a file cannot be loaded with: rare, so that most changes go on with what is there. */
const OTHER_SHARDS = 0.15;

export function firstSettings({ shards, threads, logMaxEvents }: Plan): ServerSettings {
  return { shards, threads, logMaxEvents, shardBudgetBytes: SHARD_BUDGET_BYTES };
}

/** Those of the next life. No bound is so low that a client would notice it. */
export function otherSettings(rng: Rng, settings: ServerSettings): ServerSettings {
  return {
    shards: chance(rng, OTHER_SHARDS) ? pick(rng, [1, 2, 4]) : settings.shards,
    threads: pick(rng, [1, 2, 3]),
    shardBudgetBytes: pick(rng, SHARD_BUDGETS_BYTES),
    logMaxEvents: pick(rng, [4, 16, 65_536]),
    logMaxBytes: pick(rng, [2_048 * KIB, 8_192 * KIB]),
    tagFencesMax: pick(rng, [4_096, 8_192, 16_384]),
    tombstonesMax: pick(rng, [16_384, 65_536, 131_072]),
    requestIdsMax: pick(rng, [2_048, 4_096, 8_192]),
    leasesMax: pick(rng, [8_192, 16_384]),
  };
}

const PART_LIMITS = [
  "budgetBytes",
  "namespacesMax",
  "tagFencesMax",
  "prefixFencesMax",
  "tombstonesMax",
  "requestIdsMax",
] as const satisfies readonly (keyof ShardLimits)[];

/** Whether all that a store with these limits can have fits into `memory`, so that nothing excuses an empty one. */
export function fitsInto(shards: number, limits: ShardLimits, memory: StoreMemory): boolean {
  const { log, ...larger } = memory.limits;
  const isAsLarge = PART_LIMITS.every((name) => larger[name] >= limits[name]);
  const hasSameForm =
    memory.shards.length === shards && headMaxBytes(larger.budgetBytes) === headMaxBytes(limits.budgetBytes);
  return hasSameForm && isAsLarge && log.maxBytes >= limits.log.maxBytes;
}

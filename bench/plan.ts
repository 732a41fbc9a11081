/** How much a run measures: the numbers behind a full run and behind `--quick`, resolved once. */
import { fileURLToPath } from "node:url";
import type { StoreEngine } from "../src/store/engine/create-store.ts";

export interface Plan {
  readonly quick: boolean;
  readonly seed: number;
  /** Interleaved pairs of every comparison. */
  readonly pairs: number;
  /** One side's measured window within a pair. */
  readonly windowMs: number;
  /** Unmeasured load on each side before the first pair. */
  readonly warmUpMs: number;
  /** Entries of 100 B that the remote and memory rows work on. */
  readonly entries: number;
  /** Entries of 10 KB: as many as both sides can hold beside each other. */
  readonly largeEntries: number;
  /** Entries that fit into the near caches. */
  readonly nearEntries: number;
  readonly subscribers: number;
  /** Events published within one fan-out window. */
  readonly eventsPerWindow: number;
  /** Accesses of the long trace that are replayed; 0: the table's three million. */
  readonly traceAccessesMax: number;
  /** Also measure one call in flight, uniform keys, and what no target names. */
  readonly everyShape: boolean;
  /** Folder that holds the access traces. */
  readonly traces: string;
  /** Of our store; undefined: its own default. */
  readonly engine: StoreEngine | undefined;
}

export interface PlanOptions {
  readonly quick?: boolean;
  readonly seed?: number;
  readonly pairs?: number;
  readonly entries?: number;
  readonly traces?: string;
  readonly engine?: string;
}

const full = {
  windowMs: 2_000,
  warmUpMs: 2_000,
  entries: 1_000_000,
  largeEntries: 50_000,
  nearEntries: 100_000,
  subscribers: 1_000,
  eventsPerWindow: 50,
  traceAccessesMax: 3_000_000,
  everyShape: true,
};

const quick: typeof full = {
  windowMs: 200,
  warmUpMs: 300,
  entries: 50_000,
  largeEntries: 4_000,
  nearEntries: 20_000,
  subscribers: 1_000,
  eventsPerWindow: 5,
  traceAccessesMax: 500_000,
  everyShape: false,
};

const pairsMin = 5;

/** Throws RangeError naming the option that is out of its range. */
export function resolvePlan(options: PlanOptions): Plan {
  const sizes = options.quick ? quick : full;
  const pairs = options.pairs ?? pairsMin;
  if (!Number.isInteger(pairs) || pairs < 1 || pairs > 100) throw new RangeError("--pairs: 1 to 100");
  const entries = options.entries ?? sizes.entries;
  if (!Number.isInteger(entries) || entries < 1_000 || entries > 16_000_000) {
    throw new RangeError("--entries: 1,000 to 16,000,000");
  }
  return {
    ...sizes,
    quick: options.quick ?? false,
    seed: options.seed ?? 1,
    pairs,
    entries,
    engine: toEngine(options.engine),
    traces:
      options.traces ??
      process.env.MESHCACHE_TRACES ??
      fileURLToPath(new URL("../../shared/data", import.meta.url)),
  };
}

function toEngine(name: string | undefined): StoreEngine | undefined {
  if (name === undefined || name === "lru" || name === "offheap") return name;
  throw new RangeError("--engine: lru or offheap");
}

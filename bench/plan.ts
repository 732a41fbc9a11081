/** How much a run measures: the numbers for a full run and for `--quick`. */
import { fileURLToPath } from "node:url";
import type { StoreEngine } from "../src/store/engine/create-store.ts";

export interface Plan {
  readonly quick: boolean;
  readonly seed: number;
  /** How many pairs of windows each comparison has. */
  readonly pairs: number;
  /** The measured window of one side in a pair. */
  readonly windowMs: number;
  /** Load without measurement on each side, before the first pair. */
  readonly warmUpMs: number;
  /** Entries of 100 B in the remote rows and the memory row. */
  readonly entries: number;
  /** Entries of 10 KB: as many as both sides can hold at the same time. */
  readonly largeEntries: number;
  /** Entries in the near caches. All fit. */
  readonly nearEntries: number;
  readonly subscribers: number;
  /** Events in one fan-out window. */
  readonly eventsPerWindow: number;
  /** How many accesses of the long trace are replayed. 0: three million, as in the targets table. */
  readonly traceAccessesMax: number;
  /** Also measure one call in flight, uniform keys, and shapes without a target. */
  readonly everyShape: boolean;
  /** The folder with the access traces. */
  readonly traces: string;
  /** The engine of our store. Undefined: its default. */
  readonly engine: StoreEngine | undefined;
  /** The folder of another checkout, with its packages, for rows 1e to 3e. Undefined: without these rows. */
  readonly against: string | undefined;
}

export interface PlanOptions {
  readonly quick?: boolean;
  readonly seed?: number;
  readonly pairs?: number;
  readonly entries?: number;
  readonly traces?: string;
  readonly engine?: string;
  readonly against?: string;
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

const PAIRS_MIN = 5;

/** Throws RangeError with the name of the option that is out of its range. */
export function resolvePlan(options: PlanOptions): Plan {
  const sizes = options.quick ? quick : full;
  const pairs = options.pairs ?? PAIRS_MIN;
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
    against: options.against,
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

/** The counters of a store in shared memory. Each thread counts in a row of its own; a reader adds the rows up. */

import type { StoreCounters } from "../api/store.ts";
import { alignedBytes, type Region } from "./region.ts";

type CounterName = keyof StoreCounters;

const NONE: StoreCounters = {
  hits: 0,
  misses: 0,
  staleHits: 0,
  sets: 0,
  setsRefused: 0,
  touches: 0,
  invalidatedKeys: 0,
  invalidatedTags: 0,
  invalidatedPrefixes: 0,
  invalidatedAll: 0,
  evictedCapacity: 0,
  evictedExpired: 0,
  evictedFenced: 0,
  leasesGranted: 0,
  leasesHeld: 0,
  leasesShared: 0,
  leasesFilled: 0,
  leasesLost: 0,
  leasesExpired: 0,
  leasesReleased: 0,
  leasesAbandoned: 0,
  overruns: 0,
  tagFencesPruned: 0,
  prefixFencesMerged: 0,
  tombstonesPruned: 0,
  requestIdsPruned: 0,
  namespacesShared: 0,
  leasesRefused: 0,
  leasesDisplaced: 0,
};

const COLUMNS: Readonly<Record<string, number>> = Object.fromEntries(
  Object.keys(NONE).map((name, column) => [name, column]),
);

/** Each row has cache lines of its own, so that threads do not slow each other down. */
const ROW_BYTES = alignedBytes(Object.keys(NONE).length * Float64Array.BYTES_PER_ELEMENT);

export function countersBytes(threads: number): number {
  return threads * ROW_BYTES;
}

/** The counters of one thread. */
export class CounterRow {
  readonly #cells: Float64Array;

  constructor(region: Region, thread: number) {
    this.#cells = cellsOf(region, thread);
  }

  count(name: CounterName, by = 1): void {
    const column = COLUMNS[name] ?? 0;
    this.#cells[column] = (this.#cells[column] ?? 0) + by;
  }
}

/** The sums over all threads. Each read of a property adds up its current values. */
export function totalsOf(region: Region, threads: number): Readonly<StoreCounters> {
  const rows = Array.from({ length: threads }, (_, thread) => cellsOf(region, thread));
  const totals = { ...NONE };
  for (const [name, column] of Object.entries(COLUMNS)) {
    Object.defineProperty(totals, name, {
      get: () => rows.reduce((sum, row) => sum + (row[column] ?? 0), 0),
    });
  }
  return totals;
}

function cellsOf(region: Region, thread: number): Float64Array {
  const begin = region.begin + thread * ROW_BYTES;
  return new Float64Array(region.buffer, begin, ROW_BYTES / Float64Array.BYTES_PER_ELEMENT);
}

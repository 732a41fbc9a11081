/** The counters of a store in shared memory. Each thread counts in a row of its own; a reader adds the rows up. */

import type { StoreCounters } from "../api/store.ts";
import { NAMESPACE_COUNTER } from "../api/usage.ts";
import { alignedBytes, type Region } from "./region.ts";

/** The numbers of the counters. Those that a namespace has too have the same number there. */
export const COUNTER = {
  ...NAMESPACE_COUNTER,
  leasesGranted: 13,
  leasesHeld: 14,
  leasesShared: 15,
  leasesFilled: 16,
  leasesLost: 17,
  leasesExpired: 18,
  leasesReleased: 19,
  leasesAbandoned: 20,
  overruns: 21,
  tagFencesPruned: 22,
  prefixFencesMerged: 23,
  tombstonesPruned: 24,
  requestIdsPruned: 25,
  namespacesShared: 26,
  leasesRefused: 27,
  leasesDisplaced: 28,
} as const satisfies Readonly<Record<keyof StoreCounters, number>>;

export type Counter = (typeof COUNTER)[keyof typeof COUNTER];

/** Each row has cache lines of its own, so that threads do not slow each other down. */
const ROW_BYTES = alignedBytes(Object.keys(COUNTER).length * Float64Array.BYTES_PER_ELEMENT);

export function countersBytes(threads: number): number {
  return threads * ROW_BYTES;
}

/** The counters of one thread. */
export class CounterRow {
  readonly #cells: Float64Array;

  constructor(region: Region, thread: number) {
    this.#cells = cellsOf(region, thread);
  }

  count(counter: Counter, by = 1): void {
    this.#cells[counter] = (this.#cells[counter] ?? 0) + by;
  }
}

/** The sums over all threads. Each read of a property adds up its current values. */
export function totalsOf(region: Region, threads: number): Readonly<StoreCounters> {
  const rows = Array.from({ length: threads }, (_, thread) => cellsOf(region, thread));
  const totals: StoreCounters = { ...COUNTER };
  for (const [name, column] of Object.entries(COUNTER)) {
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

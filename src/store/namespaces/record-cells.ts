/** What the record of a namespace has: numbers, each in a cell. */
import type { NamespaceCounters } from "../api/store.ts";

/** A missing name is a type error. */
const COUNTERS: Readonly<Record<keyof NamespaceCounters, true>> = {
  hits: true,
  staleHits: true,
  misses: true,
  sets: true,
  setsRefused: true,
  touches: true,
  invalidatedKeys: true,
  invalidatedTags: true,
  invalidatedPrefixes: true,
  invalidatedAll: true,
  evictedCapacity: true,
  evictedExpired: true,
  evictedFenced: true,
};

export type CounterName = keyof NamespaceCounters;
const isCounterName = (name: string): name is CounterName => Object.hasOwn(COUNTERS, name);
export const COUNTER_NAMES: readonly CounterName[] = Object.keys(COUNTERS).filter(isCounterName);

const STATE_CELLS = [
  "entries",
  "bytes",
  /** The last clears of the namespace: what was set before these revisions is gone, or stale. */
  "hardClearRevision",
  "hardClearAtMs",
  "softClearRevision",
  /** No fence or clear of the namespace is newer. */
  "newestFenceRevision",
  /** The revision of the newest tag fence that the bound has pruned: what is older and tagged is covered. */
  "tagFloorHardRevision",
  "tagFloorHardAtMs",
  "tagFloorSoftRevision",
  /** The same of the fences that only leases need. */
  "leaseFloorHardRevision",
  "leaseFloorHardAtMs",
  "leaseFloorSoftRevision",
] as const;

export type CellName = (typeof STATE_CELLS)[number] | CounterName;

const NAMES: readonly CellName[] = [...STATE_CELLS, ...COUNTER_NAMES];
export const CELLS = NAMES.length;
/** Where each cell of a record is. */
export const CELL = Object.fromEntries(NAMES.map((name, at) => [name, at])) as Readonly<
  Record<CellName, number>
>;

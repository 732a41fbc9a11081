/** What the record of a namespace has: numbers, each in a cell. */
import { NAMESPACE_COUNTER } from "../api/usage.ts";

/** Where each cell of a record is. A literal, so that a read of a cell compiles to its place. */
export const CELL = {
  ...NAMESPACE_COUNTER,
  entries: 13,
  bytes: 14,
  /** Bounds of these bytes in this shard. A ceiling of 0: none. */
  ceilingBytes: 15,
  floorBytes: 16,
  /** 1: the record is held, since its namespace has bounds of its own. */
  pinned: 17,
  /** Where the search for entries to evict continues when the ceiling is reached. */
  trimPosition: 18,
  /** The last clears of the namespace: what was set before these revisions is gone, or stale. */
  hardClearRevision: 19,
  hardClearAtMs: 20,
  softClearRevision: 21,
  /** No fence or clear of the namespace is newer. */
  newestFenceRevision: 22,
  /** The revision of the newest tag fence that the bound has pruned: what is older and tagged is covered. */
  tagFloorHardRevision: 23,
  tagFloorHardAtMs: 24,
  tagFloorSoftRevision: 25,
  /** The same of the fences that only leases need. */
  leaseFloorHardRevision: 26,
  leaseFloorHardAtMs: 27,
  leaseFloorSoftRevision: 28,
} as const;

export type Cell = (typeof CELL)[keyof typeof CELL];
export const CELLS = Object.keys(CELL).length;

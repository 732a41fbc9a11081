/** What the record of a namespace has: numbers, each in a cell. */
import { NAMESPACE_COUNTERS, type NamespaceCounterName } from "../api/usage.ts";

const STATE_CELLS = [
  "entries",
  "bytes",
  /** Bounds of these bytes in this shard. A ceiling of 0: none. */
  "ceilingBytes",
  "floorBytes",
  /** 1: the record is held, since its namespace has bounds of its own. */
  "pinned",
  /** Where the search for entries to evict continues when the ceiling is reached. */
  "trimPosition",
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

export type CellName = (typeof STATE_CELLS)[number] | NamespaceCounterName;

const NAMES: readonly CellName[] = [...STATE_CELLS, ...NAMESPACE_COUNTERS];
export const CELLS = NAMES.length;
/** Where each cell of a record is. */
export const CELL = Object.fromEntries(NAMES.map((name, at) => [name, at])) as Readonly<
  Record<CellName, number>
>;

/** Clears of a whole namespace: numbers in its record, so that a clear costs the same however many entries it covers. */

import type { FenceView } from "../api/store.ts";
import type { NamespaceTable } from "../namespaces/namespace-table.ts";
import { CELL } from "../namespaces/record-cells.ts";
import type { Cover } from "./tag-fences.ts";

/** Everything of the record that is older than `revision` is gone, or stale when `soft`. */
export function clear(
  namespaces: NamespaceTable,
  record: number,
  soft: boolean,
  revision: number,
  nowMs: number,
): void {
  if (soft) {
    namespaces.raise(record, CELL.softClearRevision, revision);
  } else if (revision > namespaces.get(record, CELL.hardClearRevision)) {
    namespaces.set(record, CELL.hardClearRevision, revision);
    namespaces.set(record, CELL.hardClearAtMs, nowMs);
  }
}

export function coverOfClears(namespaces: NamespaceTable, record: number, version: number): Cover {
  if (version < namespaces.get(record, CELL.hardClearRevision)) return "hard";
  return version < namespaces.get(record, CELL.softClearRevision) ? "soft" : "none";
}

/** The newest clears of a record, hard and soft, as fences that cover something of this version or not. */
export function clearsAbout(namespaces: NamespaceTable, record: number, version: number): FenceView[] {
  const hard = namespaces.get(record, CELL.hardClearRevision);
  const soft = namespaces.get(record, CELL.softClearRevision);
  return [
    { kind: "namespace" as const, name: "", soft: false, revision: hard, covers: version < hard },
    { kind: "namespace" as const, name: "", soft: true, revision: soft, covers: version < soft },
  ].filter(({ revision }) => revision > 0);
}

/** When the last hard clear was, if it covers this version; else `Infinity`. */
export function clearedAtMs(namespaces: NamespaceTable, record: number, version: number): number {
  const isCleared = version < namespaces.get(record, CELL.hardClearRevision);
  return isCleared ? namespaces.get(record, CELL.hardClearAtMs) : Infinity;
}

/** Entries for tests of fences. Only the fields that fences read differ. */
import type { TableEntry } from "../../src/store/api/table.ts";

export function fencedEntry(
  entry: Partial<TableEntry> & Pick<TableEntry, "namespace" | "version">,
): TableEntry {
  return {
    record: 8,
    key: "k",
    value: new Uint8Array(0),
    valueBytes: 0,
    sourceVersion: 0n,
    freshUntilMs: Infinity,
    staleUntilMs: Infinity,
    setAtMs: 0,
    staled: false,
    absent: false,
    tags: [],
    contentType: "",
    contentEncoding: "",
    ...entry,
  };
}

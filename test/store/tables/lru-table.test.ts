/** The table on `lru-cache`: what every table is held to, and its own order of eviction and cost. */
import { describe, expect, it } from "vitest";
import type { NewTableEntry, Table } from "../../../src/store/api/table.ts";
import {
  createLruTable,
  ENTRY_OVERHEAD_BYTES,
  TAG_OVERHEAD_BYTES,
} from "../../../src/store/tables/lru-table.ts";
import { tableKeepsEntries } from "../../contract/store-table.ts";
import { TestNamespaces } from "../../support/test-namespaces.ts";

function put(table: Table, key: string, parts: Partial<NewTableEntry> = {}): void {
  const entry: NewTableEntry = {
    record: 1,
    namespace: "n",
    key,
    value: new Uint8Array(100),
    version: 1,
    sourceVersion: 0n,
    freshUntilMs: Infinity,
    staleUntilMs: Infinity,
    setAtMs: 0,
    absent: false,
    tags: [],
    contentType: "",
    contentEncoding: "",
    ...parts,
  };
  table.put(entry, 0);
}

describe("the table on lru-cache", () => {
  tableKeepsEntries(createLruTable);

  it("charges key, value, tags and the stated overhead", () => {
    const table = createLruTable({
      budgetBytes: 1 << 20,
      namespaces: new TestNamespaces(),
      evicted: () => {},
    });
    put(table, "key", { tags: ["tag"], contentType: "a/b" });
    expect(table.bytes).toBe(ENTRY_OVERHEAD_BYTES + 1 + 3 + 3 + 100 + TAG_OVERHEAD_BYTES + 3);
    put(table, "key");
    expect(table.bytes).toBe(ENTRY_OVERHEAD_BYTES + 1 + 3 + 100);
  });

  it("evicts in the order of the last use", () => {
    const evicted: string[] = [];
    const budgetBytes = 3 * (ENTRY_OVERHEAD_BYTES + 102);
    const table = createLruTable({
      budgetBytes,
      namespaces: new TestNamespaces(),
      evicted: ({ key }) => evicted.push(key),
    });
    for (const key of ["a", "b", "c"]) put(table, key);
    table.find(1, "n", "a", 0);
    for (const key of ["d", "e"]) put(table, key);
    expect(evicted).toEqual(["b", "c"]);
  });
});

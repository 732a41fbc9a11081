/** Ceilings and floors of namespaces in bytes, in both engines: who pays for whose entries. */
import { describe, expect, it } from "vitest";
import { CacheError } from "../../../src/common/errors.ts";
import type { NamespaceBounds } from "../../../src/store/api/store.ts";
import { createStore, STORE_ENGINES, type StoreOptions } from "../../../src/store/engine/create-store.ts";
import { NamespaceRules } from "../../../src/store/namespaces/namespace-bounds.ts";
import { ENTRY_OVERHEAD_BYTES } from "../../../src/store/tables/lru-table.ts";
import { StoreDriver } from "../../support/store-driver.ts";

const KIB = 1024;
const VALUE = new Uint8Array(1_000);

class Bounded extends StoreDriver {
  constructor(options: Partial<StoreOptions>) {
    super(createStore, { shards: 1, budgetBytes: 1024 * KIB, ...options });
  }

  fill(namespace: string, count: number, from = 0): void {
    for (let at = from; at < from + count; at++)
      this.set(`k${at}`, { namespace, value: VALUE, sourceVersion: 1n });
  }

  usage(namespace: string) {
    const usage = this.store.namespaces().find((one) => one.namespace === namespace);
    if (usage === undefined) throw new Error(`there is nothing of ${namespace}`);
    return usage;
  }
}

describe.each(STORE_ENGINES)("bounds of namespaces, with the engine %s", (engine) => {
  const entryBytes = 1_000 + (engine === "lru" ? ENTRY_OVERHEAD_BYTES : 50);

  it("let a namespace beyond its ceiling evict its own entries, and no others", () => {
    const ceilingBytes = 100 * KIB;
    const driver = new Bounded({ engine, namespaces: [{ namespace: "small", ceilingBytes }] });
    driver.fill("victim", 200);
    for (let at = 0; at < 1_000; at++) {
      driver.set(`k${at}`, { namespace: "small", value: VALUE });
      expect(driver.usage("small").bytes).toBeLessThanOrEqual(ceilingBytes);
    }
    expect(driver.usage("victim").entries).toBe(200);
    expect(driver.usage("small").bytes).toBeGreaterThan(ceilingBytes - 2 * entryBytes);
    expect(driver.usage("small").counters.evictedCapacity).toBe(1_000 - driver.usage("small").entries);
    // The last entry took the place of another one.
    expect(driver.read("k999", { namespace: "small" })).toBeDefined();
    expect(driver.usage("small").ceilingBytes).toBe(ceilingBytes);
  });

  it("keep what is below its floor, whatever others store", () => {
    const floorBytes = 300 * KIB;
    const driver = new Bounded({ engine, namespaces: [{ namespace: "precious", floorBytes }] });
    const kept = Math.floor(floorBytes / entryBytes) - 5;
    driver.fill("precious", kept);
    driver.fill("flood", 10_000);
    expect(driver.usage("precious").entries).toBe(kept);
    for (let at = 0; at < kept; at++) expect(driver.read(`k${at}`, { namespace: "precious" })).toBeDefined();
    expect(driver.usage("flood").entries).toBeGreaterThan(100);
    for (const shard of driver.store.shards()) expect(shard.bytes).toBeLessThanOrEqual(shard.budgetBytes);
  });

  it("take from a namespace what it has above its floor", () => {
    const driver = new Bounded({ engine, namespaces: [{ namespace: "precious", floorBytes: 200 * KIB }] });
    driver.fill("precious", 800);
    driver.fill("flood", 10_000);
    const { bytes } = driver.usage("precious");
    expect(bytes).toBeGreaterThanOrEqual(200 * KIB);
    expect(bytes).toBeLessThan(200 * KIB + 2 * entryBytes);
  });

  it("leave an evicted entry's source version known", () => {
    const driver = new Bounded({ engine, namespaces: [{ namespace: "small", ceilingBytes: 20 * KIB }] });
    driver.fill("small", 100);
    const gone = Array.from({ length: 100 }, (_, at) => `k${at}`).filter(
      (key) => driver.read(key, { namespace: "small" }) === undefined,
    );
    expect(gone.length).toBeGreaterThan(70);
    driver.invalidateKeys(gone, { namespace: "small", sourceVersion: 2n });
    expect(driver.trySet(gone[0] ?? "", { namespace: "small", sourceVersion: 1n })).toBe(
      "olderSourceVersion",
    );
  });

  it("change while the store runs, and hold for a namespace whose record is made later", () => {
    const driver = new Bounded({ engine });
    driver.fill("tenant-1", 300);
    driver.store.boundNamespaces([{ namespace: "tenant-*", ceilingBytes: 50 * KIB }]);
    driver.fill("tenant-1", 1, 300);
    driver.fill("tenant-2", 300);
    for (const tenant of ["tenant-1", "tenant-2"]) {
      expect(driver.usage(tenant).bytes).toBeLessThanOrEqual(50 * KIB);
    }
    driver.store.boundNamespaces([]);
    driver.fill("tenant-2", 300);
    expect(driver.usage("tenant-2").entries).toBe(300);
  });

  it("give a namespace that is named in full a record, however many there are", () => {
    const namespaces = [{ namespace: "precious", floorBytes: 10 * KIB }];
    const driver = new Bounded({ engine, namespacesMax: 2, namespaces });
    for (let at = 0; at < 50; at++) driver.set("k", { namespace: `n${at}` });
    driver.set("k", { namespace: "precious" });
    expect(driver.usage("precious")).toMatchObject({ entries: 1, floorBytes: 10 * KIB });
  });
});

describe("NamespaceRules", () => {
  it("prefer a full name to a pattern, and a longer pattern to a shorter one", () => {
    const rules = new NamespaceRules([
      { namespace: "*", ceilingBytes: 1 },
      { namespace: "a.*", ceilingBytes: 2 },
      { namespace: "a.b", ceilingBytes: 3, floorBytes: 1 },
      { namespace: "a.*.c", ceilingBytes: 4 },
    ]);
    const ceilings = ["x", "a.x", "axb", "a.b", "a.b.c"].map((name) => rules.of(name).ceilingBytes);
    expect(ceilings).toEqual([1, 2, 1, 3, 4]);
  });
});

describe("createStore() with bounds of namespaces", () => {
  it.each<[string, NamespaceBounds[], string]>([
    [
      "floors beyond the budget",
      [
        { namespace: "a", floorBytes: 600 * KIB },
        { namespace: "b", floorBytes: 600 * KIB },
      ],
      "namespaces",
    ],
    ["a floor for a pattern", [{ namespace: "a*", floorBytes: 1 }], "namespaces.a*.floorBytes"],
    [
      "a floor above the ceiling",
      [{ namespace: "a", floorBytes: 2, ceilingBytes: 1 }],
      "namespaces.a.floorBytes",
    ],
    ["a name that is none", [{ namespace: "A B", ceilingBytes: 1 }], "namespaces"],
    ["more names than records", ["a", "b", "c"].map((namespace) => ({ namespace })), "namespaces"],
  ])("refuses %s", (_, namespaces, field) => {
    const create = (): unknown =>
      createStore({ shards: 1, budgetBytes: 1024 * KIB, namespacesMax: 2, namespaces });
    expect(create).toThrow(CacheError);
    expect(create).toThrow(
      expect.objectContaining({ reason: "FIELD_INVALID", detail: expect.objectContaining({ field }) }),
    );
  });
});

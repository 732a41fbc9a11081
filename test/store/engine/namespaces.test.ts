/** What one namespace does to another: nothing. In both engines, and beyond the bound of namespaces. */
import { describe, expect, it } from "vitest";
import { createStore, STORE_ENGINES, type StoreOptions } from "../../../src/store/engine/create-store.ts";
import { storeFollowsModel } from "../../contract/store-model.ts";
import { StoreDriver } from "../../support/store-driver.ts";

const ENTRIES = 300;

class Neighbours extends StoreDriver {
  constructor(options: Partial<StoreOptions>) {
    super(createStore, { shards: 2, ...options });
    for (let at = 0; at < ENTRIES; at++) {
      for (const namespace of ["victim", "busy"]) {
        this.set(`p${at % 100}/${at}`, { namespace, tags: ["all", `t${at}`] });
      }
    }
  }

  hitsOf(namespace: string): number {
    let hits = 0;
    for (let at = 0; at < ENTRIES; at++) {
      if (this.read(`p${at % 100}/${at}`, { namespace }) !== undefined) hits++;
    }
    return hits;
  }

  countersOf(namespace: string | undefined) {
    return this.store.namespaces().find((usage) => usage.namespace === namespace)?.counters;
  }
}

describe.each(STORE_ENGINES)("L2: the store on %s", (engine) => {
  it("loses nothing when 9,000 tags are invalidated that no entry has", () => {
    const driver = new Neighbours({ engine });
    for (let at = 0; at < 9_000; at++) driver.invalidateTags([`none ${at}`], { namespace: "busy" });
    expect([driver.hitsOf("victim"), driver.hitsOf("busy")]).toEqual([ENTRIES, ENTRIES]);
    expect(driver.store.counters.tagFencesPruned).toBe(0);
  });

  it("lets the causer pay alone when it invalidates more tags than there are fences", () => {
    const driver = new Neighbours({ engine, tagFencesMax: 16 });
    driver.invalidateTags(["t7"], { namespace: "victim" });
    for (let at = 0; at < 200; at++) driver.invalidateTags([`t${at}`], { namespace: "busy" });
    expect(driver.store.counters.tagFencesPruned).toBeGreaterThan(100);
    expect(driver.hitsOf("victim")).toBe(ENTRIES - 1);
    expect(driver.hitsOf("busy")).toBe(0);
  });

  it("loses nothing to 64 prefixes of another namespace, again and again, while it is swept and while it is not", () => {
    const driver = new Neighbours({ engine, prefixFencesMax: 8 });
    driver.invalidatePrefix("p7/", { namespace: "victim" });
    for (let at = 0; at < 300; at++) {
      driver.invalidatePrefix(`p${at % 64}/`, { namespace: "busy" });
      if (at > 150) driver.store.maintain(16);
    }
    expect(driver.hitsOf("victim")).toBe(ENTRIES - 3);
  });
});

describe.each(STORE_ENGINES)("A5: the store on %s", (engine) => {
  it("loses nothing when a hundred other namespaces are cleared, hard or soft", () => {
    const driver = new Neighbours({ engine });
    for (let at = 0; at < 100; at++) {
      driver.set("k", { namespace: `n${at}`, tags: ["all"] });
      driver.invalidateAll({ namespace: `n${at}`, soft: at % 2 === 0 });
    }
    expect([driver.hitsOf("victim"), driver.hitsOf("busy")]).toEqual([ENTRIES, ENTRIES]);
    for (let at = 0; at < 100; at++) {
      expect(driver.get("k", { namespace: `n${at}`, allowStale: true }).kind).toBe(
        at % 2 === 0 ? "hit" : "miss",
      );
    }
    driver.sweep();
    expect([driver.hitsOf("victim"), driver.hitsOf("busy")]).toEqual([ENTRIES, ENTRIES]);
  });

  it("does not begin to sweep when namespaces are cleared that have no entry", () => {
    const driver = new Neighbours({ engine });
    driver.sweep();
    for (let at = 0; at < 100; at++) driver.invalidateAll({ namespace: `n${at}` });
    expect(driver.store.maintain(1)).toBe(false);
    driver.invalidateAll({ namespace: "busy" });
    expect(driver.store.maintain(1)).toBe(true);
  });

  it("forgets the source versions and the answers of the namespace that has most of them", () => {
    const driver = new Neighbours({ engine, tombstonesMax: 8, requestIdsMax: 8 });
    const [key = ""] = driver.keysOnShards(1);
    driver.set(key, { namespace: "victim", sourceVersion: 5n, requestId: 9n });
    driver.invalidateKeys([key], { namespace: "victim", sourceVersion: 6n });
    for (let at = 0; at < 100; at++) {
      driver.set(`k${at}`, { namespace: "busy", sourceVersion: 5n, requestId: BigInt(at + 1) });
      driver.invalidateKeys([`k${at}`], { namespace: "busy", sourceVersion: 6n });
    }
    const { tombstonesPruned, requestIdsPruned } = driver.store.counters;
    expect([tombstonesPruned > 50, requestIdsPruned > 50]).toEqual([true, true]);
    expect(driver.trySet(key, { namespace: "victim", sourceVersion: 5n, requestId: 9n })).toBe("stored");
    expect(driver.get(key, { namespace: "victim" }).kind).toBe("miss");
    expect(driver.trySet(key, { namespace: "victim", sourceVersion: 5n })).toBe("olderSourceVersion");
  });

  it("beyond `namespacesMax` lets those pay that share a record, never those that have one", () => {
    const driver = new Neighbours({ engine, namespacesMax: 2, tagFencesMax: 4 });
    for (let at = 0; at < 40; at++) driver.set("k", { namespace: `n${at}`, tags: [`t${at}`, "u"] });
    expect(driver.store.counters.namespacesShared).toBeGreaterThan(0);
    for (let at = 0; at < 40; at++) driver.invalidateTags([`t${at}`], { namespace: `n${at}` });
    driver.invalidateAll({ namespace: "n0" });
    driver.invalidatePrefix("k", { namespace: "n1" });
    expect([driver.hitsOf("victim"), driver.hitsOf("busy")]).toEqual([ENTRIES, ENTRIES]);
    for (let at = 0; at < 40; at++) expect(driver.read("k", { namespace: `n${at}` })).toBeUndefined();
    driver.set("k", { namespace: "n0" });
    expect(driver.read("k", { namespace: "n0" })).toBe("v");
  });

  it("counts for each namespace, and for those without a record together", () => {
    const driver = new Neighbours({ engine });
    driver.hitsOf("victim");
    driver.read("none", { namespace: "victim" });
    driver.read("none", { namespace: "unknown" });
    driver.invalidateTags(["a", "b"], { namespace: "victim" });
    driver.invalidatePrefix("x", { namespace: "victim" });
    driver.invalidateKeys(["p0/0", "none"], { namespace: "victim" });
    expect(driver.countersOf("victim")).toMatchObject({
      hits: ENTRIES,
      misses: 1,
      sets: ENTRIES,
      invalidatedTags: 2,
      invalidatedPrefixes: 1,
      invalidatedKeys: 2,
      invalidatedAll: 0,
    });
    expect(driver.countersOf(undefined)).toMatchObject({ hits: 0, misses: 1 });
    const usages = driver.store.namespaces();
    const total = usages.reduce((sum, usage) => sum + usage.bytes, 0);
    expect(total).toBe(driver.store.shards().reduce((sum, shard) => sum + shard.bytes, 0));
    expect(usages.map(({ namespace, entries }) => [namespace, entries])).toEqual([
      ["busy", ENTRIES],
      ["victim", ENTRIES - 1],
      [undefined, 0],
    ]);
  });
});

describe("the store with more namespaces than records", () => {
  storeFollowsModel((options) => createStore({ budgetBytes: 2 ** 21, ...options, namespacesMax: 1 }), {
    runs: 300,
    commandsPerRun: 200,
  });
});

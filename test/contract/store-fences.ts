/** What every engine does with invalidations: by keys, tags, prefix and namespace, hard and soft, and the sweep. */
import { describe, expect, it } from "vitest";
import { type CreateStoreUnderTest, StoreDriver } from "../support/store-driver.ts";

const totalOf = (driver: StoreDriver, what: "entries" | "bytes"): number =>
  driver.store.shards().reduce((sum, shard) => sum + shard[what], 0);

export function storeInvalidates(create: CreateStoreUnderTest): void {
  const start = (): StoreDriver => new StoreDriver(create, { shards: 4 });

  describe("Store.invalidate() by keys", () => {
    it("removes entries and counts each once", () => {
      const driver = start();
      driver.set("a");
      driver.set("b");
      expect(driver.invalidateKeys(["a", "a", "none", "b"]).removed).toBe(2);
      expect(driver.read("a")).toBeUndefined();
      expect(driver.get("b", { allowStale: true }).kind).toBe("miss");
    });

    it("bumps each touched shard once, entries or none, and stamps those in order", () => {
      const driver = start();
      const [a = "", b = "", c = ""] = driver.keysOnShards(3);
      const { stamps } = driver.invalidateKeys([c, a, b, a]);
      expect(stamps.map((stamp) => stamp.shard)).toEqual(
        [a, b, c].map((key) => driver.store.shardOf("n", key)).sort(),
      );
      expect(stamps.map((stamp) => stamp.revision)).toEqual([1, 1, 1]);
      expect(driver.invalidateKeys([a]).stamps).toEqual([
        { shard: driver.store.shardOf("n", a), revision: 2 },
      ]);
    });

    it("does not count an entry that is dead already", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10 });
      driver.clock.advance(10);
      expect(driver.invalidateKeys(["k"]).removed).toBe(0);
    });

    it("softly keeps the end that the entry would have had anyway", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10, staleMs: 10 });
      driver.set("forever");
      expect(driver.invalidateKeys(["k", "forever"], { soft: true }).removed).toBe(2);
      expect(driver.read("k")).toBeUndefined();
      expect(driver.get("k", { allowStale: true })).toMatchObject({
        entry: { stale: true, staleRemainingMs: 20 },
      });
      expect(driver.get("forever", { allowStale: true })).toMatchObject({
        entry: { stale: true, ttlRemainingMs: 0, staleRemainingMs: 0 },
      });
      driver.clock.advance(20);
      expect(driver.get("k", { allowStale: true }).kind).toBe("miss");
    });

    it("softly counts only what was fresh", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10, staleMs: 10 });
      driver.clock.advance(10);
      expect(driver.invalidateKeys(["k"], { soft: true }).removed).toBe(0);
    });
  });

  describe("Store.invalidate() by tags", () => {
    it("removes every entry with any of the tags, and no other", () => {
      const driver = start();
      for (let number = 0; number < 20; number++) driver.set(`k${number}`, { tags: ["t", `own-${number}`] });
      driver.set("plain");
      driver.set("other", { tags: ["u"] });
      driver.set("k0", { namespace: "m", tags: ["t"] });
      expect(driver.invalidateTags(["own-7", "none"])).toMatchObject({ removed: 0 });
      expect(driver.read("k7")).toBeUndefined();
      expect(driver.read("k8")).toBe("v");
      const { stamps } = driver.invalidateTags(["t"]);
      expect(stamps.map((stamp) => stamp.shard)).toEqual([0, 1, 2, 3]);
      expect(driver.read("k8")).toBeUndefined();
      expect(driver.read("plain")).toBe("v");
      expect(driver.read("other")).toBe("v");
      expect(driver.read("k0", { namespace: "m" })).toBe("v");
    });

    it("does not touch what is set afterwards", () => {
      const driver = start();
      driver.invalidateTags(["t"]);
      driver.set("k", { tags: ["t"] });
      expect(driver.read("k")).toBe("v");
    });

    it("makes entries stale when soft, and removes them when a hard one comes before or after it", () => {
      const driver = start();
      driver.set("k", { tags: ["t", "u"] });
      driver.invalidateTags(["t"], { soft: true });
      expect(driver.get("k", { allowStale: true })).toMatchObject({ entry: { stale: true } });
      driver.invalidateTags(["u"]);
      expect(driver.get("k", { allowStale: true }).kind).toBe("miss");
      driver.set("l", { tags: ["t"] });
      driver.invalidateTags(["t"]);
      driver.invalidateTags(["t"], { soft: true });
      expect(driver.get("l", { allowStale: true }).kind).toBe("miss");
    });

    it("beyond the bound of fences, removes older tagged entries and keeps untagged ones", () => {
      const driver = new StoreDriver(create, { shards: 1, tagFencesMax: 2 });
      driver.set("tagged", { tags: ["t", "b", "c"] });
      driver.set("behind", { tags: ["a"] });
      driver.set("plain");
      driver.set("other", { namespace: "m", tags: ["t"] });
      driver.invalidateTags(["a"]);
      driver.set("between", { tags: ["t"] });
      driver.invalidateTags(["b"]);
      driver.invalidateTags(["c"]);
      expect(driver.store.counters.tagFencesPruned).toBe(1);
      expect(["tagged", "behind", "plain", "between"].map((key) => driver.read(key))).toEqual([
        undefined,
        undefined,
        "v",
        "v",
      ]);
      expect(driver.read("other", { namespace: "m" })).toBe("v");
    });

    it("frees the memory in the background and then forgets the fence", () => {
      const driver = new StoreDriver(create, { shards: 1, tagFencesMax: 1 });
      driver.set("other", { tags: ["u"] });
      for (let number = 0; number < 100; number++) driver.set(`k${number}`, { tags: ["t"] });
      driver.invalidateTags(["t"]);
      driver.clock.advance(10_000);
      driver.sweep();
      expect(totalOf(driver, "entries")).toBe(1);
      expect(driver.store.counters.evictedFenced).toBe(100);
      // The swept fence is no longer there to be pruned and take others with it.
      driver.invalidateTags(["x"]);
      expect(driver.store.counters.tagFencesPruned).toBe(0);
      expect(driver.read("other")).toBe("v");
    });
  });

  describe("Store.invalidate() by prefix", () => {
    it("removes keys that begin with it at once, and no other", () => {
      const driver = start();
      for (const key of ["p/1", "p/2", "p", "q/p/1"]) driver.set(key);
      driver.set("p/1", { namespace: "m" });
      expect(driver.invalidatePrefix("p/").stamps).toHaveLength(4);
      expect(["p/1", "p/2", "p", "q/p/1"].map((key) => driver.read(key))).toEqual([
        undefined,
        undefined,
        "v",
        "v",
      ]);
      expect(driver.read("p/1", { namespace: "m" })).toBe("v");
      driver.set("p/1");
      expect(driver.read("p/1")).toBe("v");
    });

    it("compares characters, not halves of them", () => {
      const driver = start();
      driver.set("ключ/1");
      driver.set("клещ");
      driver.invalidatePrefix("ключ");
      expect(driver.read("ключ/1")).toBeUndefined();
      expect(driver.read("клещ")).toBe("v");
    });

    it("works during the sweep as before and after it", () => {
      const driver = start();
      for (let number = 0; number < 200; number++) {
        driver.set(`p/${number}`, { sourceVersion: 5n });
        driver.set(`q/${number}`);
      }
      driver.invalidatePrefix("p/");
      const soft = driver.invalidatePrefix("q/1", { soft: true });
      expect(soft.stamps).toHaveLength(4);
      for (let more = true, turn = 0; more; turn++) {
        more = driver.store.maintain(7);
        expect(driver.read(`p/${turn % 200}`)).toBeUndefined();
        expect(driver.get(`q/1${turn % 10}`, { allowStale: true })).toMatchObject({ entry: { stale: true } });
        expect(driver.read(`q/2${turn % 10}`)).toBe("v");
        // Mutations between the slices move entries about.
        driver.set(`new/${turn}`);
        driver.invalidateKeys([`new/${turn - 3}`]);
      }
      for (let number = 0; number < 200; number++) {
        expect(driver.trySet(`p/${number}`, { sourceVersion: 4n })).toBe("olderSourceVersion");
      }
      expect(driver.read("q/1")).toBeUndefined();
      expect(driver.get("q/1", { allowStale: true })).toMatchObject({ entry: { stale: true } });
    });

    it("frees the memory in the background", () => {
      const driver = start();
      for (let number = 0; number < 500; number++)
        driver.set(`p/${number}`, { value: new Uint8Array(1_000) });
      driver.set("kept");
      const before = totalOf(driver, "bytes");
      driver.invalidatePrefix("p/");
      driver.sweep();
      expect(totalOf(driver, "entries")).toBe(1);
      expect(totalOf(driver, "bytes")).toBeLessThan(before / 100);
    });

    it("merges fences beyond the bound to what their prefixes have in common, in the safe direction", () => {
      const driver = new StoreDriver(create, { shards: 1, prefixFencesMax: 2 });
      for (const key of ["p/9", "q", "r"]) driver.set(key);
      driver.set("p/9", { namespace: "m" });
      for (let number = 0; number < 5; number++) driver.invalidatePrefix(`p/${number}`);
      driver.set("p/8");
      expect(driver.store.counters.prefixFencesMerged).toBe(3);
      expect(["p/9", "q", "p/8"].map((key) => driver.read(key))).toEqual([undefined, "v", "v"]);
      driver.invalidatePrefix("q");
      driver.invalidatePrefix("s");
      expect(driver.read("r")).toBeUndefined();
      expect(driver.read("p/9", { namespace: "m" })).toBe("v");
    });

    it("stays within the bound of fences with as many namespaces", () => {
      const driver = new StoreDriver(create, { shards: 1, prefixFencesMax: 4 });
      for (let number = 0; number < 50; number++) {
        const namespace = `n${number}`;
        driver.set("k", { namespace });
        driver.set("l", { namespace });
        driver.invalidateAll({ namespace });
        expect(driver.read("k", { namespace })).toBeUndefined();
      }
      for (let number = 0; number < 50; number++) {
        expect(driver.read("l", { namespace: `n${number}`, allowStale: true })).toBeUndefined();
      }
      driver.set("k");
      expect(driver.read("k")).toBe("v");
      driver.sweep();
      expect(totalOf(driver, "entries")).toBe(1);
    });
  });

  describe("Store.invalidate() of a namespace", () => {
    it("makes all its entries dead or stale, and none of another", () => {
      const driver = start();
      for (const namespace of ["n", "m", "nn"]) driver.set("k", { namespace });
      driver.invalidateAll();
      driver.invalidateAll({ namespace: "m", soft: true });
      expect(driver.get("k", { allowStale: true }).kind).toBe("miss");
      expect(driver.get("k", { namespace: "m" }).kind).toBe("miss");
      expect(driver.get("k", { namespace: "m", allowStale: true }).kind).toBe("hit");
      expect(driver.get("k", { namespace: "nn" }).kind).toBe("hit");
    });
  });

  describe("Store.maintain()", () => {
    it("frees what expired, in slices, and says when there is more", () => {
      const driver = new StoreDriver(create, { shards: 2 });
      for (let number = 0; number < 100; number++) driver.set(`k${number}`, { ttlMs: 100 + number });
      driver.set("kept");
      driver.sweep();
      expect(totalOf(driver, "entries")).toBe(101);
      driver.clock.advance(10_000);
      expect(driver.store.maintain(10)).toBe(true);
      expect(totalOf(driver, "entries")).toBeGreaterThanOrEqual(91);
      driver.sweep();
      expect(totalOf(driver, "entries")).toBe(1);
      expect(driver.store.counters.evictedExpired).toBe(100);
    });

    it("rests when there is nothing to do", () => {
      const driver = start();
      driver.set("k");
      driver.sweep();
      driver.clock.advance(1_000_000);
      expect(driver.store.maintain(1)).toBe(false);
    });
  });

  describe("the byte budget", () => {
    it("is never exceeded, whatever is set", () => {
      const budgetBytes = 400_000;
      const driver = new StoreDriver(create, { shards: 2, budgetBytes });
      for (let number = 0; number < 3_000; number++) {
        const size = (number * 7_919) % 20_011;
        driver.set(`key-${number % 700}`, { value: new Uint8Array(size), tags: ["t"] });
        for (const shard of driver.store.shards()) expect(shard.bytes).toBeLessThanOrEqual(shard.budgetBytes);
      }
      const { evictedCapacity } = driver.store.counters;
      expect(evictedCapacity).toBeGreaterThan(0);
      expect(totalOf(driver, "entries")).toBeGreaterThan(5);
    });

    it("returns to zero when everything is invalidated", () => {
      const driver = start();
      const empty = totalOf(driver, "bytes");
      for (let number = 0; number < 50; number++) driver.set(`k${number}`, { tags: ["t", "ключ"] });
      for (let number = 0; number < 50; number++) driver.set(`k${number}`, { value: "longer than before" });
      driver.invalidateKeys(Array.from({ length: 50 }, (_, number) => `k${number}`));
      expect(totalOf(driver, "bytes")).toBe(empty);
      expect(totalOf(driver, "entries")).toBe(0);
    });

    it("evicts with a tombstone: an older writer of an evicted key still loses", () => {
      const driver = new StoreDriver(create, { shards: 1, budgetBytes: 100_000 });
      for (let number = 0; number < 500; number++) {
        driver.set(`k${number}`, { value: new Uint8Array(1_000), sourceVersion: 5n });
      }
      expect(driver.store.counters.evictedCapacity).toBeGreaterThan(300);
      for (let number = 0; number < 500; number++) {
        expect(driver.trySet(`k${number}`, { sourceVersion: 4n })).toBe("olderSourceVersion");
      }
      driver.clock.advance(60_000);
      expect(driver.trySet("k0", { sourceVersion: 4n })).toBe("stored");
    });

    it("evicts at once what can never fit, as any other", () => {
      const driver = new StoreDriver(create, { shards: 1, budgetBytes: 100_000 });
      driver.set("k", { value: "small", sourceVersion: 1n });
      const token = driver.token("other");
      const waiting = driver.wait("other");
      expect(driver.trySet("k", { value: new Uint8Array(200_000), sourceVersion: 5n })).toBe("stored");
      expect(driver.read("k")).toBeUndefined();
      expect(driver.trySet("k", { sourceVersion: 4n })).toBe("olderSourceVersion");
      driver.set("other", { value: new Uint8Array(200_000), condition: { kind: "lease", token } });
      expect(waiting.result).toMatchObject({ kind: "hit", entry: { value: { length: 200_000 } } });
    });

    it("keeps what is read over what is not", () => {
      const driver = new StoreDriver(create, { shards: 1, budgetBytes: 200_000 });
      driver.set("hot", { value: new Uint8Array(1_000) });
      for (let number = 0; number < 2_000; number++) {
        driver.set(`cold-${number}`, { value: new Uint8Array(1_000) });
        driver.read("hot");
      }
      expect(driver.get("hot").kind).toBe("hit");
    });
  });
}

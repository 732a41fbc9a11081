/** What every engine shows of a key to whoever inspects it: all that is there, and no trace of having looked. */
import { describe, expect, it } from "vitest";
import { type CreateStoreUnderTest, StoreDriver } from "../support/store-driver.ts";

export function storeShowsEntries(create: CreateStoreUnderTest): void {
  const start = (): StoreDriver => new StoreDriver(create, { shards: 1 });
  const inspect = ({ store }: StoreDriver, key: string) => store.inspect("n", key);

  describe("Store.inspect()", () => {
    it("finds nothing of a key that was never set", () => {
      expect(inspect(start(), "k")).toEqual({
        asOf: { shard: 0, revision: 0 },
        entry: undefined,
        fences: [],
      });
    });

    it("shows an entry as a read would", () => {
      const driver = start();
      driver.set("k", { ttlMs: 100, staleMs: 50, tags: ["a"], contentType: "text/plain" });
      driver.clock.advance(40);
      const { entry } = inspect(driver, "k");
      const read = driver.get("k");
      expect(entry).toEqual({ state: "fresh", view: read.kind === "hit" ? read.entry : undefined });
    });

    it("names the states in which reads see an entry as stale, or not at all", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10, staleMs: 10 });
      driver.set("soft");
      driver.invalidate({ kind: "keys", keys: ["soft"] }, { soft: true });
      const stateOf = (key: string) => inspect(driver, key).entry?.state;
      expect([stateOf("k"), stateOf("soft")]).toEqual(["fresh", "staled"]);
      driver.clock.advance(10);
      expect(stateOf("k")).toBe("expired");
      driver.clock.advance(10);
      expect(stateOf("k")).toBe("gone");
    });

    it("shows what a fence covers, and the fence, until somebody reads it", () => {
      const driver = start();
      driver.set("users/1", { tags: ["t", "other"] });
      driver.invalidate({ kind: "tags", tags: ["t"] });
      driver.invalidate({ kind: "prefix", prefix: "users/" }, { soft: true });
      driver.invalidate({ kind: "prefix", prefix: "orders/" });
      expect(inspect(driver, "users/1")).toMatchObject({
        entry: { state: "gone", view: { version: 1 } },
        fences: [
          { kind: "prefix", name: "users/", soft: true, revision: 3, covers: true },
          { kind: "tag", name: "t", soft: false, revision: 2, covers: true },
        ],
      });
      expect(driver.read("users/1")).toBeUndefined();
      expect(inspect(driver, "users/1").entry).toBeUndefined();
    });

    it("tells a fence that an entry is newer than from one that covers it", () => {
      const driver = start();
      driver.set("held", { tags: ["t"] });
      driver.invalidate({ kind: "all" });
      driver.set("k", { tags: ["t"] });
      const { entry, fences } = inspect(driver, "k");
      expect(entry?.state).toBe("fresh");
      expect(fences).toEqual([{ kind: "namespace", name: "", soft: false, revision: 2, covers: false }]);
    });

    it("is no read: it counts as none", () => {
      const driver = start();
      driver.set("k");
      const before = { ...driver.store.counters };
      inspect(driver, "k");
      inspect(driver, "absent");
      expect({ ...driver.store.counters }).toEqual(before);
    });
  });
}

/** The coherence scenarios that the store itself closes, by their numbers. */
import { describe, expect, it } from "vitest";
import {
  type CreateStoreUnderTest,
  noCursor,
  readAll,
  StoreDriver,
  sayings,
} from "../support/store-driver.ts";

export function storeIsCoherent(create: CreateStoreUnderTest): void {
  const start = (options = {}): StoreDriver => new StoreDriver(create, { shards: 1, ...options });

  describe("coherence", () => {
    it("3: a namespace clear during a read is newer than the read's stamp", () => {
      const driver = start({ shards: 4 });
      driver.set("k");
      const subscriber = driver.subscribe();
      const { asOf } = driver.get("k");
      driver.invalidateAll();
      const event = readAll(subscriber).find((one) => one.shard === asOf.shard);
      expect(event).toMatchObject({ target: "all", kind: "invalidated" });
      expect(event?.revision).toBeGreaterThan(asOf.revision);
    });

    it("5 and 6: the event of one's own Set carries the version that the Set was given", () => {
      const driver = start();
      const subscriber = driver.subscribe();
      const stored = driver.set("k");
      const { asOf } = driver.get("k");
      const [event] = readAll(subscriber);
      expect(stored).toMatchObject({ version: event?.revision, asOf: { revision: event?.revision } });
      expect(event?.revision).toBeLessThanOrEqual(asOf.revision);
    });

    it("12: a restart that reuses revisions is another epoch", () => {
      const first = start({ rng: { uint64: () => 7n, fraction: () => 0 } });
      const restarted = start({ rng: { uint64: () => 8n, fraction: () => 0 } });
      for (const driver of [first, restarted]) driver.set("k");
      expect(restarted.store.epoch).not.toBe(first.store.epoch);
      expect(restarted.get("k", { ifVersion: 1, ifEpoch: first.store.epoch }).kind).toBe("hit");
      const condition = { kind: "ifVersion", version: 1, epoch: first.store.epoch } as const;
      expect(restarted.trySet("k", { condition })).toBe("versionMismatch");
      const resumed = restarted.subscribe([], first.subscribe().cursor());
      expect(resumed.read(1, 1)).toMatchObject({ kind: "gap", reason: "epochChanged" });
    });

    it("17: a slow subscriber reads a gap, never a hole", () => {
      const driver = start({ logMaxEvents: 4 });
      const subscriber = driver.subscribe();
      for (let number = 0; number < 5; number++) driver.set(`k${number}`);
      expect(subscriber.read(100, 1_000)).toMatchObject({ kind: "gap", reason: "overrun" });
    });

    it("18: a value loaded before an invalidation cannot be stored after it", () => {
      const driver = start();
      const token = driver.token("k");
      driver.invalidateKeys(["k"]);
      expect(driver.trySet("k", { condition: { kind: "lease", token } })).toBe("leaseLost");
      expect(driver.read("k")).toBeUndefined();
    });

    it("19: nor one whose tag was invalidated during the load", () => {
      const driver = start();
      const token = driver.token("k");
      driver.invalidateTags(["t"]);
      expect(driver.trySet("k", { tags: ["t"], condition: { kind: "lease", token } })).toBe("leaseLost");
      expect(driver.read("k")).toBeUndefined();
    });

    it("20: a background refresh does not overwrite a newer Set", () => {
      const driver = start();
      driver.set("k", { value: "old", ttlMs: 10, staleMs: 100 });
      driver.clock.advance(10);
      const token = driver.token("k");
      const condition = { kind: "ifVersion", version: 1, epoch: driver.store.epoch } as const;
      driver.set("k", { value: "new" });
      expect(driver.trySet("k", { value: "old", condition: { kind: "lease", token } })).toBe("leaseLost");
      expect(driver.trySet("k", { value: "old", condition })).toBe("versionMismatch");
      expect(driver.read("k")).toBe("new");
    });

    it("21: two commits that arrive in the wrong order leave the later one", () => {
      const driver = start();
      driver.set("k", { value: "second", sourceVersion: 2n });
      expect(driver.trySet("k", { value: "first", sourceVersion: 1n })).toBe("olderSourceVersion");
      driver.invalidateKeys(["k"]);
      driver.clock.advance(59_999);
      expect(driver.trySet("k", { value: "first", sourceVersion: 1n })).toBe("olderSourceVersion");
    });

    it("22: the holder of an expired lease writes nothing", () => {
      const driver = start();
      const token = driver.token("k", 100);
      driver.clock.advance(100);
      const second = driver.token("k", 100);
      expect(driver.trySet("k", { value: "late", condition: { kind: "lease", token } })).toBe("leaseLost");
      expect(driver.trySet("k", { condition: { kind: "lease", token: second } })).toBe("stored");
    });

    it("23: when a holder crashes, expiry promotes the next waiter", () => {
      const driver = start();
      driver.token("k", 100);
      const waiting = driver.wait("k", 1_000);
      driver.advance(99);
      expect(waiting.isWaiting).toBe(true);
      driver.advance(1);
      expect(waiting.result?.kind).toBe("granted");
    });

    it("24: creating what was cached as absent is told, after the miss and after the absent hit", () => {
      const driver = start();
      const miss = driver.get("k");
      driver.set("k", { value: "", absent: true });
      const subscriber = driver.subscribe();
      const absent = driver.get("k");
      driver.set("k", { value: "now there" });
      const [event] = readAll(subscriber);
      expect(event).toMatchObject({ kind: "set", name: "k" });
      expect(event?.revision).toBeGreaterThan(absent.asOf.revision);
      expect(absent.asOf.revision).toBeGreaterThan(miss.asOf.revision);
    });

    it("25: a TTL shortened by Touch is told", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10_000 });
      const subscriber = driver.subscribe();
      const { asOf } = driver.get("k");
      driver.touch("k", 10);
      const [event] = readAll(subscriber);
      expect(event).toMatchObject({ kind: "touched", name: "k" });
      expect(event?.revision).toBeGreaterThan(asOf.revision);
    });

    it("27: a pruned tag fence errs in the safe direction only", () => {
      const driver = start({ tagFencesMax: 4 });
      driver.set("k", { tags: ["t"] });
      driver.invalidateTags(["t"]);
      for (let number = 0; number < 10; number++) driver.invalidateTags([`filler-${number}`]);
      expect(driver.get("k", { allowStale: true }).kind).toBe("miss");
    });

    it("29: a conditional Set retried after an ambiguous timeout is answered the same", () => {
      const driver = start();
      const set = { condition: { kind: "ifAbsent" }, requestId: 42n } as const;
      expect(driver.trySet("k", set)).toBe("stored");
      expect(driver.trySet("k", set)).toBe("stored");
      expect(driver.trySet("k", { condition: { kind: "ifAbsent" } })).toBe("exists");
    });

    it("32: the events of one revision are read together, or not at all", () => {
      const driver = start({ logMaxEvents: 8 });
      const keys = ["a", "b", "c", "d", "e", "f"];
      const subscriber = driver.subscribe([], noCursor);
      driver.invalidateKeys(keys);
      const read = subscriber.read(1, 1);
      expect(read?.kind === "events" && sayings(read.events)).toHaveLength(keys.length);
      const before = subscriber.cursor();
      driver.invalidateKeys(keys);
      driver.invalidateKeys(keys);
      expect(driver.subscribe([], before).read(100, 1_000)?.kind).toBe("gap");
    });
  });
}

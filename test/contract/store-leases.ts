/** What every engine does with leases: grants, waits, promotions, and what ends them. */
import { describe, expect, it } from "vitest";
import type { LeaseHolder, SetCondition } from "../../src/store/api/store.ts";
import { type CreateStoreUnderTest, StoreDriver } from "../support/store-driver.ts";

const byLease = (token: bigint): { readonly condition: SetCondition } => ({
  condition: { kind: "lease", token },
});

export function storeLeases(create: CreateStoreUnderTest): void {
  const start = (): StoreDriver => new StoreDriver(create, { shards: 4 });

  describe("Store.lease()", () => {
    it("hits a fresh entry and grants nothing", () => {
      const driver = start();
      driver.set("k");
      expect(driver.lease("k")).toMatchObject({ kind: "hit", entry: { version: 1 } });
      expect(driver.store.counters.leasesGranted).toBe(0);
    });

    it("grants one caller the key and tells the others when to ask again", () => {
      const driver = start();
      const first = driver.lease("k", 500);
      expect(first).toMatchObject({ kind: "granted", leaseMs: 500, stale: undefined });
      driver.clock.advance(100);
      expect(driver.lease("k")).toMatchObject({ kind: "held", retryAfterMs: 400, stale: undefined });
      expect(driver.lease("other").kind).toBe("granted");
    });

    it("gives the stale entry to holder and others", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10, staleMs: 100 });
      driver.clock.advance(10);
      const stale = { stale: true, staleRemainingMs: 100, version: 1 };
      expect(driver.lease("k")).toMatchObject({ kind: "granted", stale });
      expect(driver.lease("k")).toMatchObject({ kind: "held", stale });
    });

    it("never gives out 0 or the same token twice", () => {
      const driver = start();
      const tokens = Array.from({ length: 200 }, (_, number) => driver.token(`k${number}`));
      expect(new Set(tokens).size).toBe(200);
      expect(tokens).not.toContain(0n);
    });

    it("ends with its Set, and every waiter shares the value", () => {
      const driver = start();
      const token = driver.token("k");
      const waiting = [driver.wait("k"), driver.wait("k"), driver.wait("k")];
      expect(waiting.every((one) => one.isWaiting)).toBe(true);
      const stored = driver.set("k", byLease(token));
      for (const { results } of waiting) {
        expect(results).toMatchObject([
          { kind: "hit", asOf: stored.asOf, entry: { version: 1, stale: false } },
        ]);
      }
      expect(driver.trySet("k", byLease(token))).toBe("leaseLost");
      expect(driver.store.counters).toMatchObject({ leasesGranted: 1, leasesFilled: 1, leasesShared: 3 });
    });

    it("waiters share an absent record too", () => {
      const driver = start();
      const token = driver.token("k");
      const waiting = driver.wait("k");
      driver.set("k", { ...byLease(token), value: "", absent: true });
      expect(waiting.result).toMatchObject({ kind: "hit", entry: { absent: true } });
    });

    it("a wait ends at its exact time", () => {
      const driver = start();
      driver.token("k", 1_000);
      const waiting = driver.wait("k", 300);
      driver.advance(299);
      expect(waiting.isWaiting).toBe(true);
      driver.advance(1);
      expect(waiting.results).toMatchObject([{ kind: "held", retryAfterMs: 700 }]);
    });

    it("promotes waiters in their order, each with a token of its own", () => {
      const driver = start();
      const first = driver.token("k", 100);
      const [second, third] = [driver.wait("k", 10_000, 200), driver.wait("k", 10_000, 300)];
      expect(driver.release("k", first)).toBe(true);
      expect(second.result).toMatchObject({ kind: "granted", leaseMs: 200 });
      expect(third.isWaiting).toBe(true);
      driver.advance(200);
      expect(third.result).toMatchObject({ kind: "granted", leaseMs: 300 });
      const tokens = [second, third].map((one) => (one.result?.kind === "granted" ? one.result.token : 0n));
      expect(new Set([first, ...tokens]).size).toBe(3);
      expect(driver.store.counters).toMatchObject({ leasesGranted: 3, leasesReleased: 1, leasesExpired: 1 });
    });

    it("does not promote a waiter whose wait is over at the same instant", () => {
      const driver = start();
      driver.token("k", 100);
      const [over, next] = [driver.wait("k", 100), driver.wait("k", 101)];
      driver.advance(100);
      expect(over.result?.kind).toBe("held");
      expect(next.result?.kind).toBe("granted");
    });

    it("a cancelled wait is not called back, and the next one is served", () => {
      const driver = start();
      const token = driver.token("k");
      const [cancelled, next] = [driver.wait("k"), driver.wait("k")];
      cancelled.cancel();
      driver.release("k", token);
      driver.advance(100_000);
      expect(cancelled.results).toEqual([]);
      expect(next.results[0]?.kind).toBe("granted");
    });

    it("passes over a wait that another waiter cancels when both are decided in one call", () => {
      const driver = new StoreDriver(create, { shards: 1 });
      driver.token("a", 100);
      driver.token("b", 100);
      const told: string[] = [];
      let cancelled = (): void => {};
      driver.store.lease({ namespace: "n", key: "a", waitMs: 10_000, leaseMs: 100 }, (result) => {
        told.push(`first ${result.kind}`);
        cancelled();
      });
      const second = driver.wait("b");
      cancelled = () => second.cancel();
      const third = driver.wait("b");
      driver.advance(100);
      expect(told).toEqual(["first granted"]);
      expect(second.results).toEqual([]);
      expect(third.results).toMatchObject([{ kind: "granted" }]);
    });

    it("may be called from inside a waiter's settle", () => {
      const driver = start();
      const token = driver.token("k");
      const told: string[] = [];
      driver.store.lease({ namespace: "n", key: "k", waitMs: 1_000, leaseMs: 1_000 }, (result) => {
        told.push(result.kind);
        if (result.kind === "granted") driver.set("k", byLease(result.token));
      });
      const other = driver.wait("k");
      driver.release("k", token);
      expect(told).toEqual(["granted"]);
      expect(other.result?.kind).toBe("hit");
    });

    it("is refused beyond the bound of leases, with a time to ask again", () => {
      const driver = new StoreDriver(create, { shards: 1, leasesMax: 2 });
      driver.token("a", 100);
      driver.token("b", 100);
      expect(driver.lease("c")).toMatchObject({ kind: "held", retryAfterMs: 100 });
      expect(driver.wait("c").result?.kind).toBe("held");
      expect(driver.store.counters.leasesRefused).toBe(2);
      driver.advance(100);
      expect(driver.lease("c").kind).toBe("granted");
    });

    it("does not let more wait for a key than the bound", () => {
      const driver = new StoreDriver(create, { shards: 1, waitersMax: 1 });
      driver.token("k", 100);
      expect(driver.wait("k").isWaiting).toBe(true);
      expect(driver.wait("k").result).toMatchObject({ kind: "held", retryAfterMs: 100 });
      expect(driver.store.counters.leasesRefused).toBe(1);
    });
  });

  describe("Store.closeHolder()", () => {
    const as = ({ id }: LeaseHolder) => ({ holder: id });

    it("ends the leases of the holder: its Set is refused, and the next waiter is promoted", () => {
      const driver = start();
      const [gone, other] = [driver.store.openHolder(0n), driver.store.openHolder(0n)];
      const tokens = ["a", "b", "c"].map((key) => driver.token(key, 60_000, as(gone)));
      const kept = driver.token("d", 60_000, as(other));
      const waiting = driver.wait("a", 60_000, 60_000, as(other));
      driver.store.closeHolder(gone);
      expect(waiting.result).toMatchObject({ kind: "granted" });
      expect(["a", "b", "c"].map((key, at) => driver.trySet(key, byLease(tokens[at] ?? 0n)))).toEqual([
        "leaseLost",
        "leaseLost",
        "leaseLost",
      ]);
      expect(driver.lease("b").kind).toBe("granted");
      expect(driver.trySet("d", byLease(kept))).toBe("stored");
      expect(driver.store.counters).toMatchObject({ leasesAbandoned: 3, leasesFilled: 1 });
    });

    it("leaves the leases to a stream that has taken over, until that is gone too", () => {
      const driver = start();
      const first = driver.store.openHolder(0n);
      const token = driver.token("a", 60_000, as(first));
      const second = driver.store.openHolder(first.token);
      expect(second).toEqual(first);
      driver.store.closeHolder(first);
      expect(driver.lease("a").kind).toBe("held");
      expect(driver.trySet("a", byLease(token))).toBe("stored");
      driver.token("b", 60_000, as(second));
      driver.store.closeHolder(second);
      expect(driver.lease("b").kind).toBe("granted");
    });

    it("makes a new holder for a token that is unknown, or of one that is gone", () => {
      const driver = start();
      const first = driver.store.openHolder(12_345n);
      driver.store.closeHolder(first);
      const next = driver.store.openHolder(first.token);
      const holders = [first, next, driver.store.createHolder(), driver.store.createHolder()];
      expect(new Set(holders.map(({ id }) => id)).size).toBe(4);
      expect(next.token).not.toBe(first.token);
      expect(holders.slice(2).map(({ token }) => token)).toEqual([0n, 0n]);
    });

    it("ends many leases: none of them is good any more, though few are ended at once", () => {
      const driver = new StoreDriver(create, { shards: 1, leasesOfHolderMax: 1_000 });
      const gone = driver.store.openHolder(0n);
      const tokens = Array.from({ length: 500 }, (_, at) => driver.token(`k${at}`, 60_000, as(gone)));
      driver.store.closeHolder(gone);
      expect(driver.store.counters.leasesAbandoned).toBeLessThan(100);
      expect(driver.trySet("k499", byLease(tokens[499] ?? 0n))).toBe("leaseLost");
      expect(driver.lease("k498").kind).toBe("granted");
      driver.sweep();
      expect(driver.store.counters.leasesAbandoned).toBe(500);
    });
  });

  describe("Store.release()", () => {
    it("says whether the token was the key's lease until now", () => {
      const driver = start();
      const token = driver.token("k", 100);
      expect(driver.release("k", token + 1n)).toBe(false);
      expect(driver.release("other", token)).toBe(false);
      expect(driver.release("k", token)).toBe(true);
      expect(driver.release("k", token)).toBe(false);
      const second = driver.token("k", 100);
      driver.clock.advance(100);
      expect(driver.release("k", second)).toBe(false);
    });
  });

  describe("a lease", () => {
    it("holds in its last millisecond and is lost at the exact end", () => {
      const driver = start();
      const early = driver.token("early", 100);
      const late = driver.token("late", 100);
      driver.clock.advance(99);
      expect(driver.trySet("early", byLease(early))).toBe("stored");
      driver.clock.advance(1);
      expect(driver.trySet("late", byLease(late))).toBe("leaseLost");
    });

    it.each([
      ["another's Set", (driver: StoreDriver) => driver.set("k")],
      ["a hard invalidation of the key", (driver: StoreDriver) => driver.invalidateKeys(["k"])],
      ["a soft one", (driver: StoreDriver) => driver.invalidateKeys(["k"], { soft: true })],
      [
        "one that spares a newer entry",
        (driver: StoreDriver) => driver.invalidateKeys(["k"], { sourceVersion: 1n }),
      ],
      ["an invalidation of a tag of the Set", (driver: StoreDriver) => driver.invalidateTags(["t"])],
      ["a soft one of it", (driver: StoreDriver) => driver.invalidateTags(["t"], { soft: true })],
      ["an invalidation of its prefix", (driver: StoreDriver) => driver.invalidatePrefix("k")],
      ["a soft one of that", (driver: StoreDriver) => driver.invalidatePrefix("k", { soft: true })],
      ["an invalidation of its namespace", (driver: StoreDriver) => driver.invalidateAll()],
      ["a soft one of all", (driver: StoreDriver) => driver.invalidateAll({ soft: true })],
    ])("is lost by %s, swept or not", (_, invalidate) => {
      for (const isSwept of [false, true]) {
        const driver = start();
        const token = driver.token("k", 60_000);
        invalidate(driver);
        driver.clock.advance(10_000);
        if (isSwept) driver.sweep();
        expect(driver.trySet("k", { ...byLease(token), tags: ["t"] })).toBe("leaseLost");
      }
    });

    it.each([
      ["a touch", (driver: StoreDriver) => driver.touch("k", 100)],
      ["a refused Set", (driver: StoreDriver) => driver.set("k", { condition: { kind: "ifPresent" } })],
      ["a Set with a wrong token", (driver: StoreDriver) => driver.set("k", byLease(1n))],
      ["an invalidation of another key", (driver: StoreDriver) => driver.invalidateKeys(["l"])],
      ["of a tag that its Set does not name", (driver: StoreDriver) => driver.invalidateTags(["u"])],
      ["of another prefix", (driver: StoreDriver) => driver.invalidatePrefix("l")],
      ["of another namespace", (driver: StoreDriver) => driver.invalidateAll({ namespace: "m" })],
    ])("outlives %s", (_, happen) => {
      const driver = start();
      const token = driver.token("k", 60_000);
      happen(driver);
      expect(driver.trySet("k", { ...byLease(token), tags: ["t"] })).toBe("stored");
    });

    it("granted after an invalidation is not held to it", () => {
      const driver = start();
      driver.invalidateTags(["t"]);
      driver.invalidatePrefix("k");
      const token = driver.token("k");
      expect(driver.trySet("k", { ...byLease(token), tags: ["t"] })).toBe("stored");
    });

    it("older than the floor of pruned tag fences is lost for a Set with tags only", () => {
      for (const [tags, expected] of [
        [["t"], "leaseLost"],
        [[], "stored"],
      ] as const) {
        const driver = new StoreDriver(create, { shards: 1, tagFencesMax: 1 });
        const token = driver.token("k");
        driver.invalidateTags(["a"]);
        driver.invalidateTags(["b"]);
        expect(driver.trySet("k", { ...byLease(token), tags })).toBe(expected);
      }
    });

    it("promotes the first waiter when it is lost, at the shard's new revision", () => {
      const driver = start();
      driver.token("k");
      const waiting = driver.wait("k");
      const [stamp] = driver.invalidateKeys(["k"]).stamps;
      expect(waiting.result).toMatchObject({ kind: "granted", asOf: stamp });
      const token = waiting.result?.kind === "granted" ? waiting.result.token : 0n;
      expect(driver.trySet("k", byLease(token))).toBe("stored");
    });

    it("ends with a Set that is refused for its source version, and the next waiter is promoted", () => {
      const driver = start();
      driver.invalidateKeys(["k"], { sourceVersion: 5n });
      const token = driver.token("k");
      const waiting = driver.wait("k");
      expect(driver.trySet("k", { ...byLease(token), sourceVersion: 4n })).toBe("olderSourceVersion");
      expect(waiting.result?.kind).toBe("granted");
      expect(driver.trySet("k", byLease(token))).toBe("leaseLost");
    });

    it("refused with its request id is answered again, and so is one that filled", () => {
      const driver = start();
      const token = driver.token("k");
      const set = { ...byLease(token), requestId: 3n };
      expect(driver.trySet("k", set)).toBe("stored");
      expect(driver.trySet("k", set)).toBe("stored");
    });

    it("ends in exactly one way", () => {
      const driver = start();
      driver.set("filled", byLease(driver.token("filled")));
      driver.token("lost");
      driver.invalidateKeys(["lost"]);
      driver.release("released", driver.token("released"));
      driver.token("expired", 10);
      driver.advance(10);
      expect(driver.store.counters).toMatchObject({
        leasesGranted: 4,
        leasesFilled: 1,
        leasesLost: 1,
        leasesReleased: 1,
        leasesExpired: 1,
      });
    });
  });
}

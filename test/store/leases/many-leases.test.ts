/** What many leases cost those who have few, and who pays when there are too many. */
import { describe, expect, it } from "vitest";
import type { SetCondition } from "../../../src/store/api/store.ts";
import { createStore, type StoreOptions } from "../../../src/store/engine/create-store.ts";
import { StoreDriver } from "../../support/store-driver.ts";

/** A call ends or visits so many leases and waits beside its own. */
const PER_CALL_MAX = 32;
const MANY = 2_000;

const byLease = (token: bigint): { readonly condition: SetCondition } => ({
  condition: { kind: "lease", token },
});

const start = (options: Partial<StoreOptions> = {}): StoreDriver =>
  new StoreDriver(createStore, {
    shards: 1,
    leasesOfHolderMax: 100_000,
    leasesOfNamespaceMax: 100_000,
    ...options,
  });

const keysOf = (prefix: string, count = MANY): string[] =>
  Array.from({ length: count }, (_, number) => `${prefix}${number}`);

const maintain = (driver: StoreDriver): void => {
  for (let turn = 0; driver.store.maintain(64); turn++) expect(turn).toBeLessThan(1_000);
};

describe("A4: an invalidation by prefix, where there are many leases", () => {
  it("visits few of them, and voids all that it covers", () => {
    const driver = start();
    const tokens = keysOf("a:").map((key) => [key, driver.token(key, 60_000)] as const);
    const others = keysOf("b:").map((key) => [key, driver.token(key, 60_000)] as const);
    driver.invalidatePrefix("a:");
    expect(driver.store.counters.leasesLost).toBeLessThanOrEqual(PER_CALL_MAX);
    for (const [key, token] of tokens.slice(-50))
      expect(driver.trySet(key, byLease(token))).toBe("leaseLost");
    for (const [key, token] of others.slice(-50)) expect(driver.trySet(key, byLease(token))).toBe("stored");
    maintain(driver);
    expect(driver.store.counters).toMatchObject({ leasesLost: MANY, leasesFilled: 50, leasesExpired: 0 });
  });

  it("gives the key to whoever asks next", () => {
    const driver = start();
    const old = new Map(keysOf("a:").map((key) => [key, driver.token(key, 60_000)]));
    driver.invalidatePrefix("a:");
    const last = `a:${MANY - 1}`;
    const next = driver.token(last, 60_000);
    expect(driver.trySet(last, byLease(old.get(last) ?? 0n))).toBe("leaseLost");
    maintain(driver);
    expect(driver.trySet(last, byLease(next))).toBe("stored");
  });

  it("promotes its waiters within a few turns of maintenance", () => {
    const driver = start();
    for (const key of keysOf("a:")) driver.token(key, 60_000);
    const waiting = driver.wait(`a:${MANY - 1}`, 30_000);
    driver.invalidatePrefix("a:");
    expect(waiting.isWaiting).toBe(true);
    maintain(driver);
    expect(waiting.result).toMatchObject({ kind: "granted" });
  });

  it("tells the leases from before it from those after it, however many prefixes there are", () => {
    const driver = start();
    for (const key of keysOf("x:")) driver.token(key, 60_000, { namespace: "other" });
    const prefixes = keysOf("p", 20).map((name) => `${name}:`);
    const before = prefixes.map((prefix) => driver.token(`${prefix}k`, 60_000));
    const spared = driver.token("spared", 60_000);
    for (const prefix of prefixes.slice(0, 8)) driver.invalidatePrefix(prefix);
    const between = prefixes.map((prefix) => driver.lease(`${prefix}k`).kind);
    expect(between).toEqual(prefixes.map((_, number) => (number < 8 ? "granted" : "held")));
    expect(driver.trySet("spared", byLease(spared))).toBe("stored");
    // More than are kept apart: now they concern the whole namespace, and no other.
    for (const prefix of prefixes.slice(8)) driver.invalidatePrefix(prefix);
    prefixes.forEach((prefix, number) => {
      expect(driver.trySet(`${prefix}k`, byLease(before[number] ?? 0n))).toBe("leaseLost");
    });
    maintain(driver);
    expect(driver.lease("x:7", 1_000, { namespace: "other" }).kind).toBe("held");
  });
});

describe("A6: the ends of many leases", () => {
  it("are few in one call, and none is good after its end", () => {
    const driver = start();
    const tokens = keysOf("k").map((key) => [key, driver.token(key, 100)] as const);
    const late = driver.token("late", 101);
    driver.clock.advance(100);
    driver.set("unrelated");
    expect(driver.store.counters.leasesExpired).toBeLessThanOrEqual(PER_CALL_MAX);
    for (const [key, token] of tokens.slice(-100))
      expect(driver.trySet(key, byLease(token))).toBe("leaseLost");
    expect(driver.trySet("late", byLease(late))).toBe("stored");
    maintain(driver);
    expect(driver.store.counters).toMatchObject({ leasesExpired: MANY, leasesLost: 0 });
  });

  it("end the waits of one key that are due, and leave the others", () => {
    const driver = start();
    driver.token("k", 60_000);
    const waits = Array.from({ length: 1_000 }, (_, number) => driver.wait("k", 1_000 + number));
    for (let endedCount = 1; endedCount <= 100; endedCount++) {
      driver.advance(endedCount === 1 ? 1_000 : 1);
      expect(waits.filter((wait) => !wait.isWaiting).length).toBe(endedCount);
    }
  });

  it("does not promote a waiter whose wait is over but not yet ended", () => {
    const driver = start();
    for (const key of keysOf("k")) driver.token(key, 100);
    const key = `k${MANY - 1}`;
    const over = driver.wait(key, 50);
    const next = driver.wait(key, 30_000);
    driver.clock.advance(100);
    expect(driver.lease(key).kind).toBe("held");
    expect(over.result?.kind).toBe("held");
    expect(next.result?.kind).toBe("granted");
  });
});

describe("A5: leases are bounded by holder and by namespace", () => {
  it("refuses a holder what is beyond its bound, and nobody else", () => {
    const driver = start({ leasesOfHolderMax: 3 });
    for (const key of ["a", "b", "c"]) driver.token(key, 100, { holder: 1 });
    expect(driver.lease("d", 100, { holder: 1 })).toMatchObject({ kind: "held", retryAfterMs: 100 });
    expect(driver.lease("d", 100, { holder: 2 }).kind).toBe("granted");
    expect(driver.store.counters).toMatchObject({ leasesRefused: 1, leasesDisplaced: 0 });
    driver.set("a");
    expect(driver.lease("e", 100, { holder: 1 }).kind).toBe("granted");
  });

  it("does not promote a waiter beyond the bound of its holder", () => {
    const driver = start({ leasesOfHolderMax: 1 });
    driver.token("a", 100, { holder: 1 });
    driver.token("b", 1_000, { holder: 2 });
    const [full, next] = [
      driver.wait("a", 500, 100, { holder: 2 }),
      driver.wait("a", 500, 100, { holder: 3 }),
    ];
    driver.advance(100);
    expect(full.result).toMatchObject({ kind: "held", retryAfterMs: 100 });
    expect(next.result).toMatchObject({ kind: "granted" });
  });

  it("lets a holder at its bound have the lease of its own that it waits for", () => {
    const driver = start({ leasesOfHolderMax: 1 });
    const token = driver.token("a", 100, { holder: 1 });
    const waiting = driver.wait("a", 500, 100, { holder: 1 });
    driver.release("a", token);
    expect(waiting.result).toMatchObject({ kind: "granted" });
  });

  it("refuses a namespace what is beyond its bound, and no other", () => {
    const driver = start({ leasesOfNamespaceMax: 2 });
    driver.token("a", 100, { holder: 1 });
    driver.token("b", 100, { holder: 2 });
    expect(driver.lease("c", 100, { holder: 3 })).toMatchObject({ kind: "held", retryAfterMs: 100 });
    expect(driver.lease("c", 100, { holder: 3, namespace: "m" }).kind).toBe("granted");
    driver.advance(100);
    expect(driver.lease("c", 100, { holder: 3 }).kind).toBe("granted");
  });

  it("takes the oldest lease of a holder with many for one with few when the shard is full", () => {
    const driver = start({ leasesMax: 8 });
    const taken = keysOf("k", 8).map((key) => [key, driver.token(key, 60_000, { holder: 1 })] as const);
    const waiting = driver.wait("k0", 10_000, 100, { holder: 4 });
    expect(driver.lease("more", 100, { holder: 1 }).kind).toBe("held");
    const kept = driver.token("v", 60_000, { holder: 2, namespace: "m" });
    expect(waiting.result).toMatchObject({ kind: "held", retryAfterMs: 100 });
    const [oldest, second] = taken;
    expect(driver.trySet("k0", byLease(oldest?.[1] ?? 0n))).toBe("leaseLost");
    expect(driver.trySet("k1", byLease(second?.[1] ?? 0n))).toBe("stored");
    expect(driver.trySet("v", { ...byLease(kept), namespace: "m" })).toBe("stored");
    expect(driver.store.counters).toMatchObject({ leasesDisplaced: 1, leasesRefused: 2 });
  });

  it("leaves those with few their leases, whatever one with many takes in however many namespaces", () => {
    const driver = start({ leasesMax: 1_000, leasesOfHolderMax: 1_000 });
    const kept = keysOf("v", 50).map((key) => [key, driver.token(key, 60_000, { holder: 2 })] as const);
    for (let number = 0; number < 5_000; number++) {
      driver.lease(`k${number}`, 60_000, { holder: 1, namespace: `a${number % 700}` });
    }
    for (const [key, token] of kept) expect(driver.trySet(key, byLease(token))).toBe("stored");
    for (const key of keysOf("w", 50)) expect(driver.lease(key, 100, { holder: 3 }).kind).toBe("granted");
  });

  it("displaces as many as the text of the new key needs", () => {
    const driver = start({ leasesMax: 4 });
    const long = "x".repeat(16_000);
    driver.token(`1${long}`, 60_000, { holder: 1 });
    driver.token("2", 60_000, { holder: 1 });
    expect(driver.lease(`3${long}`, 60_000, { holder: 1 }).kind).toBe("held");
    expect(driver.lease(`3${long}`, 60_000, { holder: 2 }).kind).toBe("granted");
    expect(driver.store.counters.leasesDisplaced).toBe(1);
  });
});

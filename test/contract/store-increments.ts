/** What every engine does with counters: sums, bounds, conditions, lifetimes, leases, events, request ids. */
import { describe, expect, it } from "vitest";
import { type CreateStoreUnderTest, readAll, StoreDriver, sayings } from "../support/store-driver.ts";

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

export function storeIncrements(create: CreateStoreUnderTest): void {
  const start = () => new StoreDriver(create, { shards: 1 });

  describe("Store.increment()", () => {
    it("begins with the initial value, and then adds, also what is negative or nothing", () => {
      const driver = start();
      expect(driver.increment("k", 5n, { initial: 100n })).toEqual({
        kind: "incremented",
        asOf: { shard: 0, revision: 1 },
        value: 105n,
        version: 1,
        ttlRemainingMs: 0,
        created: true,
      });
      expect(driver.increment("k", -7n, { initial: 100n })).toMatchObject({
        value: 98n,
        version: 2,
        created: false,
      });
      expect(driver.increment("k", 0n)).toMatchObject({ value: 98n, version: 3 });
      expect(driver.tryIncrement("k", -98n)).toBe(0n);
      expect(driver.tryIncrement("k", -1n)).toBe(-1n);
      expect(driver.read("k")).toBe("-1");
    });

    it("is a Set of decimal text, for who reads it and for who is told", () => {
      const driver = start();
      const subscriber = driver.subscribe();
      driver.increment("k", 7n);
      driver.increment("k");
      expect(driver.get("k")).toMatchObject({
        entry: { version: 2, tags: [], contentType: "", absent: false, sourceVersion: 0n },
      });
      expect(driver.read("k")).toBe("8");
      expect(sayings(readAll(subscriber))).toEqual(["set key k", "set key k"]);
      expect(driver.store.counters).toMatchObject({ sets: 2, setsRefused: 0 });
    });

    it("adds to what a Set has stored, and leaves its tags, lifetimes, type and source version", () => {
      const driver = start();
      const set = { tags: ["t"], contentType: "text/plain", sourceVersion: 3n, ttlMs: 100, staleMs: 50 };
      driver.set("k", { value: "41", ...set });
      driver.clock.advance(40);
      expect(driver.increment("k", 1n, { ttlMs: 5_000 })).toMatchObject({ value: 42n, ttlRemainingMs: 60 });
      expect(driver.get("k")).toMatchObject({
        entry: {
          ...{ tags: ["t"], contentType: "text/plain", sourceVersion: 3n },
          ...{ ttlRemainingMs: 60, staleRemainingMs: 50, ageMs: 0 },
        },
      });
      expect(driver.trySet("k", { sourceVersion: 2n })).toBe("olderSourceVersion");
      driver.invalidateTags(["t"]);
      expect(driver.increment("k")).toMatchObject({ value: 1n, created: true });
    });

    it.each([
      ["past its TTL", (driver: StoreDriver) => driver.clock.advance(10)],
      ["stale", (driver: StoreDriver) => driver.invalidateKeys(["k"], { soft: true })],
      ["softly behind its tag", (driver: StoreDriver) => driver.invalidateTags(["t"], { soft: true })],
      ["gone", (driver: StoreDriver) => driver.invalidatePrefix("k")],
    ])("begins anew where the counter is %s, with new lifetimes and no tags", (_, end) => {
      const driver = start();
      driver.set("k", { value: "41", ttlMs: 10, staleMs: 1_000, tags: ["t"], sourceVersion: 9n });
      end(driver);
      const again = { initial: 5n, ttlMs: 30 };
      expect(driver.increment("k", 1n, again)).toMatchObject({
        value: 6n,
        ttlRemainingMs: 30,
        created: true,
      });
      expect(driver.get("k")).toMatchObject({ entry: { tags: [], sourceVersion: 0n } });
      // The source version of what was there is still known.
      expect(driver.trySet("k", { sourceVersion: 8n })).toBe("olderSourceVersion");
    });

    it.each(["", "abc", "1.0", "+1", " 1", "1 ", "01", "-0", "-", "1e3", "0x1", "9223372036854775808"])(
      'refuses a value that is no counter, and leaves it: "%s"',
      (value) => {
        const driver = start();
        driver.set("k", { value });
        expect(driver.tryIncrement("k")).toBe("notACounter");
        expect(driver.read("k")).toBe(value);
        expect(driver.store.counters).toMatchObject({ sets: 1, setsRefused: 1 });
      },
    );

    it("refuses digits that are compressed, as whoever set them says", () => {
      const driver = start();
      driver.set("k", { value: "41", contentEncoding: "gzip" });
      expect(driver.tryIncrement("k")).toBe("notACounter");
      expect(driver.get("k")).toMatchObject({ entry: { version: 1, contentEncoding: "gzip" } });
    });

    it("refuses an entry without a value, and one of the largest size", () => {
      const driver = start();
      driver.set("none", { absent: true, value: "" });
      driver.set("large", { value: new Uint8Array(100_000).fill(0x31) });
      expect(driver.tryIncrement("none")).toBe("notACounter");
      expect(driver.tryIncrement("large")).toBe("notACounter");
    });

    it.each([
      [MAX, 1n],
      [MAX - 1n, 2n],
      [MIN, -1n],
      [MAX, MAX],
      [MIN, MIN],
    ])("refuses %d and %d, whose sum has more than 64 bits", (value, delta) => {
      const driver = start();
      expect(driver.tryIncrement("new", delta, { initial: value })).toBe("overflow");
      expect(driver.get("new").kind).toBe("miss");
      driver.set("k", { value: String(value) });
      expect(driver.tryIncrement("k", delta)).toBe("overflow");
      expect(driver.read("k")).toBe(String(value));
    });

    it("counts up to both ends of 64 bits", () => {
      const driver = start();
      expect(driver.tryIncrement("max", MAX, { initial: 0n })).toBe(MAX);
      expect(driver.tryIncrement("max", -MAX)).toBe(0n);
      expect(driver.tryIncrement("min", 0n, { initial: MIN })).toBe(MIN);
      expect(driver.read("min")).toBe("-9223372036854775808");
      expect(driver.tryIncrement("min", MAX)).toBe(-1n);
    });

    it("holds to its condition, which is of a fresh entry", () => {
      const driver = start();
      const { epoch } = driver.store;
      const ifVersion = (version: number, of = epoch) =>
        ({ condition: { kind: "ifVersion", version, epoch: of } }) as const;
      expect(driver.tryIncrement("k", 1n, { condition: { kind: "ifPresent" } })).toBe("absent");
      expect(driver.tryIncrement("k", 1n, ifVersion(1))).toBe("versionMismatch");
      expect(driver.tryIncrement("k", 1n, { condition: { kind: "ifAbsent" }, ttlMs: 10, staleMs: 10 })).toBe(
        1n,
      );
      expect(driver.tryIncrement("k", 1n, { condition: { kind: "ifAbsent" } })).toBe("exists");
      expect(driver.tryIncrement("k", 1n, { condition: { kind: "ifPresent" } })).toBe(2n);
      expect(driver.tryIncrement("k", 1n, ifVersion(1))).toBe("versionMismatch");
      expect(driver.tryIncrement("k", 1n, ifVersion(2, epoch ^ 1n))).toBe("versionMismatch");
      expect(driver.tryIncrement("k", 1n, ifVersion(2))).toBe(3n);
      driver.clock.advance(10);
      expect(driver.tryIncrement("k", 1n, ifVersion(3))).toBe("versionMismatch");
      expect(driver.tryIncrement("k", 1n, { condition: { kind: "ifPresent" } })).toBe("absent");
    });

    it("ends the lease of its key, and its waiters get the counter", () => {
      const driver = start();
      const token = driver.token("k");
      const waiting = driver.wait("k");
      driver.increment("k", 3n, { ttlMs: 50 });
      expect(waiting.result).toMatchObject({ kind: "hit", entry: { version: 1, ttlRemainingMs: 50 } });
      expect(driver.trySet("k", { condition: { kind: "lease", token } })).toBe("leaseLost");
      expect(driver.read("k")).toBe("3");
    });

    it("leaves the lease when it is refused", () => {
      const driver = start();
      driver.set("k", { value: "no", ttlMs: 10, staleMs: 10 });
      driver.clock.advance(10);
      const token = driver.token("k");
      expect(driver.tryIncrement("k", 1n, { condition: { kind: "ifPresent" } })).toBe("absent");
      expect(driver.trySet("k", { condition: { kind: "lease", token } })).toBe("stored");
    });

    it("is answered again under its request id as the first time, and adds once", () => {
      const driver = start();
      const first = driver.increment("k", MIN + 1n, { requestId: 7n });
      driver.increment("k", 100n);
      expect(driver.increment("k", MIN + 1n, { requestId: 7n })).toEqual(first);
      expect(driver.tryIncrement("k", 0n)).toBe(MIN + 101n);
      expect(driver.tryIncrement("k", 1n, { requestId: 8n })).toBe(MIN + 102n);
    });

    it("says again what is left of the TTL, and never that there is no end", () => {
      const driver = start();
      driver.increment("k", 1n, { requestId: 7n, ttlMs: 100 });
      driver.clock.advance(60);
      const left = () => driver.increment("k", 1n, { requestId: 7n });
      expect(left()).toMatchObject({ value: 1n, ttlRemainingMs: 40, created: true });
      driver.clock.advance(1_000);
      expect(left()).toMatchObject({ value: 1n, ttlRemainingMs: 1, created: true });
      driver.clock.advance(60_000 - 1_060);
      expect(left()).toMatchObject({ value: 1n, version: 2, ttlRemainingMs: 0 });
    });

    it("is answered its refusal again, and not what a Set of the same number was", () => {
      const driver = start();
      expect(driver.trySet("k", { value: "no", requestId: 7n })).toBe("stored");
      expect(driver.tryIncrement("k", 1n, { requestId: 7n })).toBe("notACounter");
      driver.set("k", { value: "1" });
      expect(driver.tryIncrement("k", 1n, { requestId: 7n })).toBe("notACounter");
      expect(driver.set("k", { value: "no", requestId: 7n })).toMatchObject({ version: 1 });
    });
  });
}

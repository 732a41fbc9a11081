/** What every engine does with entries: lifetimes, versions, conditions, source versions, request ids, touch. */
import { describe, expect, it } from "vitest";
import { ValueArena } from "../../src/store/api/value-arena.ts";
import { type CreateStoreUnderTest, StoreDriver } from "../support/store-driver.ts";

export function storeKeepsEntries(create: CreateStoreUnderTest): void {
  const start = (): StoreDriver => new StoreDriver(create, { shards: 1 });

  describe("Store.get()", () => {
    it("misses what was never set, with the shard's stamp", () => {
      expect(start().get("k")).toEqual({ kind: "miss", asOf: { shard: 0, revision: 0 } });
    });

    it("returns all that was set", () => {
      const driver = start();
      driver.set("k", {
        value: "größe",
        ttlMs: 100,
        staleMs: 50,
        tags: ["a", "b"],
        contentType: "text/plain",
        contentEncoding: "gzip",
        sourceVersion: 9n,
      });
      driver.clock.advance(40);
      const result = driver.get("k");
      expect(result).toEqual({
        kind: "hit",
        asOf: { shard: 0, revision: 1 },
        entry: {
          value: new Uint8Array(Buffer.from("größe")),
          version: 1,
          sourceVersion: 9n,
          ttlRemainingMs: 60,
          staleRemainingMs: 50,
          stale: false,
          ageMs: 40,
          absent: false,
          tags: ["a", "b"],
          contentType: "text/plain",
          contentEncoding: "gzip",
        },
      });
    });

    it("returns an absent record and an empty value as hits", () => {
      const driver = start();
      driver.set("nothing", { value: "", absent: true });
      driver.set("empty", { value: "" });
      expect(driver.get("nothing")).toMatchObject({ kind: "hit", entry: { absent: true } });
      expect(driver.get("empty")).toMatchObject({ kind: "hit", entry: { absent: false } });
    });

    it("keeps namespaces apart, also where their texts run together", () => {
      const driver = start();
      driver.set("bc", { namespace: "a", value: "1" });
      driver.set("c", { namespace: "ab", value: "2" });
      expect(driver.read("bc", { namespace: "a" })).toBe("1");
      expect(driver.read("c", { namespace: "ab" })).toBe("2");
      expect(driver.read("bc", { namespace: "ab" })).toBeUndefined();
    });

    it.each(["__proto__", "constructor", "a:b", "a\0b", "ключ", "😀", "\r\n\u001b[31m"])(
      "keeps the key %j like any other",
      (key) => {
        const driver = start();
        expect(driver.read(key)).toBeUndefined();
        driver.set(key, { value: key });
        expect(driver.read(key)).toBe(key);
      },
    );

    it("is fresh in the last millisecond of the TTL and misses at the exact expiry instant", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10 });
      driver.clock.advance(9);
      expect(driver.get("k")).toMatchObject({ kind: "hit", entry: { ttlRemainingMs: 1 } });
      driver.clock.advance(1);
      expect(driver.get("k").kind).toBe("miss");
      expect(driver.get("k", { allowStale: true }).kind).toBe("miss");
    });

    it("shows the stale window to reads that allow it, up to its exact end", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10, staleMs: 5 });
      driver.clock.advance(10);
      expect(driver.get("k").kind).toBe("miss");
      expect(driver.get("k", { allowStale: true })).toMatchObject({
        entry: { stale: true, ttlRemainingMs: 0, staleRemainingMs: 5 },
      });
      driver.clock.advance(4);
      expect(driver.get("k", { allowStale: true })).toMatchObject({ entry: { staleRemainingMs: 1 } });
      driver.clock.advance(1);
      expect(driver.get("k", { allowStale: true }).kind).toBe("miss");
    });

    it("never ends an entry without a TTL", () => {
      const driver = start();
      driver.set("k");
      driver.clock.advance(400 * 86_400_000);
      expect(driver.get("k")).toMatchObject({
        entry: { ttlRemainingMs: 0, staleRemainingMs: 0, stale: false },
      });
    });

    it("answers not modified for the version that the caller has, without the value", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10, staleMs: 5 });
      const { epoch } = driver.store;
      for (const ifEpoch of [0n, epoch]) {
        expect(driver.get("k", { ifVersion: 1, ifEpoch })).toMatchObject({
          kind: "notModified",
          entry: { ttlRemainingMs: 10, staleRemainingMs: 5, stale: false, value: new Uint8Array() },
        });
      }
      expect(driver.get("k", { ifVersion: 2 }).kind).toBe("hit");
      expect(driver.get("k", { ifVersion: 1, ifEpoch: epoch + 1n }).kind).toBe("hit");
      driver.clock.advance(10);
      expect(driver.get("k", { ifVersion: 1 }).kind).toBe("miss");
      expect(driver.get("k", { ifVersion: 1, allowStale: true })).toMatchObject({
        kind: "notModified",
        entry: { stale: true, staleRemainingMs: 5 },
      });
    });

    it("tells how long ago the value was set, whatever became of its lifetimes", () => {
      const driver = start();
      const ageOf = (more: object = {}) => {
        const found = driver.get("k", { allowStale: true, ...more });
        return found.kind === "miss" ? undefined : found.entry.ageMs;
      };
      driver.set("k", { ttlMs: 10, staleMs: 100_000_000 });
      expect(ageOf()).toBe(0);
      driver.clock.advance(9);
      driver.touch("k", 20, 100_000_000);
      expect(ageOf()).toBe(9);
      driver.clock.advance(30);
      expect(ageOf()).toBe(39);
      expect(ageOf({ ifVersion: 1 })).toBe(39);
      driver.clock.suspend(10_000);
      expect(ageOf()).toBe(10_039);
      driver.clock.setWall(-5_000);
      driver.clock.advance(1);
      expect(ageOf()).toBe(10_040);
      driver.set("k");
      expect(ageOf()).toBe(0);
      driver.clock.advance(20 * 365 * 86_400_000);
      expect(ageOf()).toBe(20 * 365 * 86_400_000);
    });

    it("may put a value into the caller's arena, until that has no room", () => {
      const driver = start();
      const arena = new ValueArena();
      const value = Buffer.alloc(100_000, "v");
      driver.set("k", { value });
      for (let read = 0; read < 5; read++) {
        const result = driver.get("k", { arena });
        if (result.kind !== "hit") throw new Error("it must be a hit");
        expect(Buffer.compare(result.entry.value, value)).toBe(0);
      }
    });

    it("leaves the arena of one Get alone in the next one and in every other call", () => {
      const driver = start();
      const arena = new ValueArena();
      driver.set("k", { value: "value" });
      driver.get("k", { arena });
      const untouched = arena.take(1);
      driver.get("k");
      driver.lease("k");
      driver.set("l", { value: "value" });
      expect(arena.take(1)?.byteOffset).toBe((untouched?.byteOffset ?? 0) + 1);
    });

    it("returns bytes that later mutations leave alone", () => {
      const driver = start();
      const given = Buffer.from("first");
      driver.set("k", { value: given });
      given.fill(0);
      const before = driver.get("k");
      driver.set("k", { value: "other" });
      driver.invalidateKeys(["k"]);
      for (let number = 0; number < 100; number++) driver.set(`k${number}`, { value: "filling" });
      expect(before).toMatchObject({ entry: { value: new Uint8Array(Buffer.from("first")) } });
    });

    it("returns a value of a mebibyte whole", () => {
      const driver = start();
      const value = new Uint8Array(1 << 20).map((_, at) => (at * 31) & 0xff);
      driver.set("k", { value });
      const result = driver.get("k");
      if (result.kind !== "hit") throw new Error("it must hit");
      expect(Buffer.compare(result.entry.value, value)).toBe(0);
    });
  });

  describe("Store.set()", () => {
    it("gives the shard's next revision as version, also to a replacement", () => {
      const driver = start();
      expect(driver.set("a")).toEqual({ kind: "stored", asOf: { shard: 0, revision: 1 }, version: 1 });
      expect(driver.set("a", { value: "w" })).toMatchObject({ version: 2 });
      expect(driver.read("a")).toBe("w");
    });

    it("replaces lifetimes, tags and staleness, not only the value", () => {
      const driver = start();
      driver.set("k", { ttlMs: 5, tags: ["old"] });
      driver.invalidateKeys(["k"], { soft: true });
      driver.set("k", { tags: ["new"] });
      driver.invalidateTags(["old"]);
      driver.clock.advance(100);
      expect(driver.get("k")).toMatchObject({ kind: "hit", entry: { stale: false, tags: ["new"] } });
    });

    it("changes nothing when it is refused", () => {
      const driver = start();
      driver.set("k", { value: "kept" });
      expect(driver.set("k", { value: "lost", condition: { kind: "ifAbsent" } })).toEqual({
        kind: "notStored",
        asOf: { shard: 0, revision: 1 },
        reason: "exists",
      });
      expect(driver.read("k")).toBe("kept");
    });

    it.each([
      ["nothing", "stored", "absent"],
      ["fresh", "exists", "stored"],
      ["past its TTL", "stored", "absent"],
      ["invalidated softly", "stored", "absent"],
      ["gone", "stored", "absent"],
    ])("with if_absent and if_present over an entry that is %s", (state, ifAbsent, ifPresent) => {
      for (const [kind, expected] of [
        ["ifAbsent", ifAbsent],
        ["ifPresent", ifPresent],
      ] as const) {
        const driver = start();
        if (state !== "nothing") driver.set("k", { ttlMs: 10, staleMs: 10 });
        if (state === "past its TTL") driver.clock.advance(10);
        if (state === "invalidated softly") driver.invalidateKeys(["k"], { soft: true });
        if (state === "gone") driver.clock.advance(20);
        expect(driver.trySet("k", { condition: { kind } })).toBe(expected);
      }
    });

    it("with if_version holds over the same version, fresh or past its TTL, in the right epoch", () => {
      const driver = start();
      const { epoch } = driver.store;
      const ifVersion = (version: number, of = epoch) =>
        ({ condition: { kind: "ifVersion", version, epoch: of }, ttlMs: 10, staleMs: 10 }) as const;
      expect(driver.trySet("k", ifVersion(1))).toBe("versionMismatch");
      driver.set("k", { ttlMs: 10, staleMs: 10 });
      expect(driver.trySet("k", ifVersion(2))).toBe("versionMismatch");
      expect(driver.trySet("k", ifVersion(1, epoch + 1n))).toBe("versionMismatch");
      expect(driver.trySet("k", ifVersion(1))).toBe("stored");
      driver.clock.advance(19);
      expect(driver.trySet("k", ifVersion(2, 0n))).toBe("stored");
      driver.clock.advance(20);
      expect(driver.trySet("k", ifVersion(3))).toBe("versionMismatch");
    });

    it.each(["key", "tag", "prefix", "all"] as const)(
      "with if_version fails after a soft invalidation by %s",
      (kind) => {
        const driver = start();
        driver.set("k", { tags: ["t"] });
        const targets = {
          key: { kind: "keys", keys: ["k"] },
          tag: { kind: "tags", tags: ["t"] },
          prefix: { kind: "prefix", prefix: "k" },
          all: { kind: "all" },
        } as const;
        driver.invalidate(targets[kind], { soft: true });
        const condition = { kind: "ifVersion", version: 1, epoch: 0n } as const;
        expect(driver.trySet("k", { condition })).toBe("versionMismatch");
      },
    );
  });

  describe("source versions", () => {
    it("let an equal or a newer one win, and an older one lose", () => {
      const driver = start();
      driver.set("k", { sourceVersion: 5n });
      expect(driver.trySet("k", { sourceVersion: 4n })).toBe("olderSourceVersion");
      expect(driver.trySet("k", { sourceVersion: 5n })).toBe("stored");
      expect(driver.trySet("k", { sourceVersion: 6n })).toBe("stored");
    });

    it("refuse nothing that names none", () => {
      const driver = start();
      driver.set("k", { sourceVersion: 5n });
      expect(driver.trySet("k")).toBe("stored");
    });

    it("are remembered behind an entry that names none", () => {
      const driver = start();
      driver.set("k", { sourceVersion: 5n });
      driver.set("k");
      expect(driver.trySet("k", { sourceVersion: 4n })).toBe("olderSourceVersion");
      driver.clock.advance(60_000);
      expect(driver.trySet("k", { sourceVersion: 4n })).toBe("stored");
    });

    it.each([
      ["a key invalidation", (driver: StoreDriver) => driver.invalidateKeys(["k"])],
      ["a tag invalidation", (driver: StoreDriver) => driver.invalidateTags(["t"])],
      ["a prefix invalidation", (driver: StoreDriver) => driver.invalidatePrefix("k")],
      ["a namespace invalidation", (driver: StoreDriver) => driver.invalidateAll()],
      ["its expiry", (driver: StoreDriver) => driver.clock.advance(10_000)],
    ])("outlive %s by exactly 60 s", (_, end) => {
      for (const [afterMs, expected] of [
        [59_999, "olderSourceVersion"],
        [60_000, "stored"],
      ] as const) {
        const driver = start();
        driver.set("k", { sourceVersion: 5n, tags: ["t"], ttlMs: 7_000, staleMs: 3_000 });
        end(driver);
        driver.clock.advance(afterMs);
        expect(driver.trySet("k", { sourceVersion: 4n })).toBe(expected);
      }
    });

    it("count the 60 s from when the entry went, not from when that was noticed", () => {
      const driver = start();
      driver.set("k", { sourceVersion: 5n, ttlMs: 10 });
      driver.clock.advance(30_010);
      driver.get("k");
      driver.clock.advance(29_999);
      expect(driver.trySet("k", { sourceVersion: 4n })).toBe("olderSourceVersion");
      driver.clock.advance(1);
      expect(driver.trySet("k", { sourceVersion: 4n })).toBe("stored");
    });

    it("are remembered from an invalidation of a key without an entry", () => {
      const driver = start();
      expect(driver.invalidateKeys(["k"], { sourceVersion: 7n }).removed).toBe(0);
      expect(driver.trySet("k", { sourceVersion: 6n })).toBe("olderSourceVersion");
      expect(driver.trySet("k", { sourceVersion: 7n })).toBe("stored");
    });

    it("let an entry stay that an invalidation knows to be as new, and still tell it", () => {
      const driver = start();
      driver.set("k", { sourceVersion: 7n });
      const subscriber = driver.subscribe();
      expect(driver.invalidateKeys(["k"], { sourceVersion: 7n }).removed).toBe(0);
      expect(driver.read("k")).toBe("v");
      expect(subscriber.behind()).toBe(true);
      expect(driver.invalidateKeys(["k"], { sourceVersion: 8n }).removed).toBe(1);
      expect(driver.read("k")).toBeUndefined();
    });

    it("keep the greatest of what is said of a key", () => {
      const driver = start();
      driver.invalidateKeys(["k"], { sourceVersion: 7n });
      driver.clock.advance(30_000);
      driver.invalidateKeys(["k"], { sourceVersion: 3n });
      driver.clock.advance(40_000);
      expect(driver.trySet("k", { sourceVersion: 6n })).toBe("olderSourceVersion");
    });

    it("are compared as 64-bit numbers", () => {
      const driver = start();
      driver.set("k", { sourceVersion: 2n ** 64n - 1n });
      expect(driver.trySet("k", { sourceVersion: 2n ** 64n - 2n })).toBe("olderSourceVersion");
      expect(driver.get("k")).toMatchObject({ entry: { sourceVersion: 2n ** 64n - 1n } });
    });

    it("forget the oldest beyond the bound, and count it", () => {
      const driver = new StoreDriver(create, { shards: 1, tombstonesMax: 2 });
      for (const key of ["a", "b", "c"]) driver.invalidateKeys([key], { sourceVersion: 5n });
      expect(["a", "b", "c"].map((key) => driver.trySet(key, { sourceVersion: 4n }))).toEqual([
        "stored",
        "olderSourceVersion",
        "olderSourceVersion",
      ]);
      expect(driver.store.counters.tombstonesPruned).toBe(1);
    });
  });

  describe("request ids", () => {
    it("answer a retry as the first was, without storing again", () => {
      const driver = start();
      const first = driver.set("k", { requestId: 7n, condition: { kind: "ifAbsent" } });
      driver.set("k", { value: "later" });
      expect(driver.set("k", { requestId: 7n, condition: { kind: "ifAbsent" } })).toEqual(first);
      expect(driver.read("k")).toBe("later");
    });

    it("answer a refusal again, too", () => {
      const driver = start();
      driver.set("k", { requestId: 7n, condition: { kind: "ifPresent" } });
      driver.set("k");
      expect(driver.trySet("k", { requestId: 7n, condition: { kind: "ifPresent" } })).toBe("absent");
    });

    it("belong to one key of one namespace", () => {
      const driver = start();
      driver.set("k", { requestId: 7n });
      expect(driver.set("l", { requestId: 7n })).toMatchObject({ version: 2 });
      expect(driver.set("k", { requestId: 7n, namespace: "m" })).toMatchObject({ version: 3 });
      expect(driver.set("k", { requestId: 8n })).toMatchObject({ version: 4 });
    });

    it("are forgotten after exactly 60 s", () => {
      const driver = start();
      driver.set("k", { requestId: 7n });
      driver.clock.advance(59_999);
      expect(driver.set("k", { requestId: 7n })).toMatchObject({ version: 1 });
      driver.clock.advance(1);
      expect(driver.set("k", { requestId: 7n })).toMatchObject({ version: 2 });
    });

    it("are kept up to the bound", () => {
      const driver = new StoreDriver(create, { shards: 1, requestIdsMax: 2 });
      for (const requestId of [1n, 2n, 3n]) driver.set("k", { requestId });
      expect(driver.set("k", { requestId: 2n })).toMatchObject({ version: 2 });
      expect(driver.set("k", { requestId: 1n })).toMatchObject({ version: 4 });
    });
  });

  describe("Store.touch()", () => {
    it("gives a fresh entry lifetimes from now, and keeps its value and version", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10, staleMs: 10 });
      driver.clock.advance(9);
      expect(driver.touch("k", 20, 5)).toEqual({ asOf: { shard: 0, revision: 2 }, touched: true });
      expect(driver.get("k")).toMatchObject({
        entry: { version: 1, ttlRemainingMs: 20, staleRemainingMs: 5 },
      });
      driver.clock.advance(25);
      expect(driver.get("k", { allowStale: true }).kind).toBe("miss");
    });

    it("takes an end away with a TTL of 0", () => {
      const driver = start();
      driver.set("k", { ttlMs: 10 });
      driver.touch("k");
      driver.clock.advance(1_000_000);
      expect(driver.read("k")).toBe("v");
    });

    it.each([
      ["missing", () => {}],
      ["past its TTL", (driver: StoreDriver) => driver.clock.advance(10)],
      ["stale", (driver: StoreDriver) => driver.invalidateKeys(["k"], { soft: true })],
      ["softly behind its tag", (driver: StoreDriver) => driver.invalidateTags(["t"], { soft: true })],
      ["gone", (driver: StoreDriver) => driver.invalidateTags(["t"])],
    ])("does nothing to what is %s", (state, end) => {
      const driver = start();
      if (state !== "missing") driver.set("k", { ttlMs: 10, staleMs: 10, tags: ["t"] });
      end(driver);
      const { revision } = driver.get("k").asOf;
      expect(driver.touch("k", 1_000)).toEqual({ asOf: { shard: 0, revision }, touched: false });
      expect(driver.get("k").kind).toBe("miss");
    });
  });
}

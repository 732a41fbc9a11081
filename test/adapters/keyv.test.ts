/** The stores for Keyv by themselves. Keyv's own suite is in suites/, with Keyv. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createKeyv6Store, createKeyvStore } from "../../src/adapters/keyv/index.ts";
import { CacheError, MeshCache, text } from "../../src/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import { eventually } from "../support/eventually.ts";

type Create = typeof createKeyvStore | typeof createKeyv6Store;

const KINDS: readonly [name: string, create: Create, aMinute: () => number][] = [
  ["createKeyvStore()", createKeyvStore, () => 60_000],
  ["createKeyv6Store()", createKeyv6Store, () => Date.now() + 60_000],
];

describe.each(KINDS)("%s", (_, create, aMinute) => {
  let mesh: TestCache;
  beforeEach(async () => {
    mesh = await startTestCache();
  });
  afterEach(() => mesh.close());

  const entries = () => mesh.cache.namespace("keyv", { codec: text(), undecodable: "miss" });

  it("keeps what Keyv gives, with its lifetime, where another process finds it", async () => {
    const [one, other] = [create({ cache: mesh.cache }), create({ cache: mesh.connect() })];
    await one.set("a", "1", aMinute());
    await one.set("b", "2");
    expect(await other.getMany(["a", "b", "c"])).toEqual(["1", "2", undefined]);
    expect(await other.hasMany(["a", "c"])).toEqual([true, false]);
    const lifetimes = new Map<string, number>();
    for await (const { key, ttlRemainingMs } of entries().keys()) lifetimes.set(key, ttlRemainingMs);
    expect(lifetimes.get(":a")).toBeGreaterThan(50_000);
    expect(lifetimes.get(":a")).toBeLessThanOrEqual(60_000);
    expect(lifetimes.get(":b")).toBe(Number.POSITIVE_INFINITY);
  });

  it("removes a key in another process, too", async () => {
    const [one, other] = [create({ cache: mesh.cache }), create({ cache: mesh.connect() })];
    await one.set("a", "1");
    expect(await other.get("a")).toBe("1");
    expect(await one.delete("a")).toBe(true);
    await eventually(async () => expect(await other.get("a")).toBeUndefined());
    expect(await one.delete("a")).toBe(false);
  });

  it("removes what is set with a lifetime that has ended", async () => {
    const store = create({ cache: mesh.cache });
    await store.set("a", "1");
    const ended = create === createKeyvStore ? -1 : Date.now() - 1;
    expect(await store.set("a", "2", ended)).toBe(true);
    expect(await store.get("a")).toBeUndefined();
  });

  it("clears its own namespace by one invalidation, and no other", async () => {
    const stores = ["", "a", "a:b", "ab"].map((namespace) => {
      const store = create({ cache: mesh.cache });
      store.namespace = namespace;
      return store;
    });
    for (const store of stores) await store.set("key", "value");
    const events = entries().subscribe();
    await events.isLive;
    await stores[1]?.clear();
    expect(await Promise.all(stores.map((store) => store.has("key")))).toEqual([true, false, true, true]);
    for await (const event of events) {
      expect(event).toMatchObject({ target: "prefix", name: "a:" });
      break;
    }
  });

  it("keeps keys of any length, and lists them by their hash", async () => {
    const store = create({ cache: mesh.cache });
    const long = "k".repeat(10_000);
    await store.set(long, "long");
    await store.set("", "empty");
    expect(await store.getMany([long, ""])).toEqual(["long", "empty"]);
    const listed: unknown[] = [];
    for await (const pair of store.iterator()) listed.push(pair);
    expect(listed).toHaveLength(2);
    expect(listed).toContainEqual(["", "empty"]);
    expect(listed).toContainEqual([expect.stringMatching(/^k+#sha256:[0-9a-f]{64}$/), "long"]);
  });

  it("iterates over more than it asks for at a time", async () => {
    const store = create({ cache: mesh.cache });
    const items = Array.from({ length: 250 }, (_item, index) => ({
      key: `key ${index}`,
      value: String(index),
    }));
    await store.setMany(items);
    const found = new Map<unknown, unknown>();
    for await (const [key, value] of store.iterator()) found.set(key, value);
    expect(found).toEqual(new Map(items.map(({ key, value }) => [key, value])));
  });

  it("refuses values that are too large or no text by name", async () => {
    const store = create({ cache: mesh.cache });
    await store.set("a", "1");
    const tooLarge = store.set("a", "x".repeat(2 ** 20 + 1));
    await expect(tooLarge).rejects.toMatchObject({ reason: "FIELD_INVALID", detail: { field: "value" } });
    await expect(store.set("a", { value: 1 })).rejects.toMatchObject({ reason: "CODEC" });
  });

  it("finds nothing and says why when no server answers, or rejects if it is to", async () => {
    await using cache = new MeshCache({ address: "127.0.0.1:1", onEvent: () => {} });
    const [open, closed] = [create({ cache }), create({ cache, failOpen: false })];
    const errors: unknown[] = [];
    open.on("error", (error) => errors.push(error));
    expect(await open.get("a")).toBeUndefined();
    expect(await open.getMany(["a", "b"])).toEqual([undefined, undefined]);
    expect(await open.has("a")).toBe(false);
    expect(await open.hasMany(["a"])).toEqual([false]);
    expect(errors.map((error) => (error as CacheError).reason)).toEqual(new Array(4).fill("UNAVAILABLE"));
    await expect(open.set("a", "1")).rejects.toBeInstanceOf(CacheError);
    await expect(closed.get("a")).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });
});

describe("createKeyv6Store()", () => {
  it("refuses a lifetime where Keyv 6 gives a point in time", async () => {
    await using mesh = await startTestCache();
    const store = createKeyv6Store({ cache: mesh.cache });
    await expect(store.set("a", "1", 60_000)).rejects.toMatchObject({ detail: { field: "expires" } });
  });
});

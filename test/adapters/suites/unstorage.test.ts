/**
 * unstorage over its driver. The package does not ship the tests of its drivers: these call each method of a storage as they do.
 */
import { createStorage, type Driver, prefixStorage, type Storage } from "unstorage";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type MeshcacheDriver, meshcacheDriver } from "../../../src/adapters/unstorage/index.ts";
import { eventually } from "../../support/eventually.ts";
import { type Served, serve } from "./served.ts";

// The types agree with those of unstorage.
export const asDriver = (driver: MeshcacheDriver): Driver => driver;

describe("unstorage over meshcacheDriver()", () => {
  let served: Served;
  let storage: Storage;
  beforeAll(async () => {
    served = await serve();
  });
  beforeEach(() => {
    storage = createStorage({ driver: meshcacheDriver({ cache: served.cache, base: "test:" }) });
  });
  afterEach(async () => {
    await storage.clear();
    await storage.dispose();
  });
  afterAll(() => served[Symbol.asyncDispose]());

  it("is empty at first", async () => {
    expect(await storage.getKeys()).toEqual([]);
    expect(await storage.hasItem("none")).toBe(false);
    expect(await storage.getItem("none")).toBeNull();
  });

  it("sets, finds, lists and removes", async () => {
    await storage.setItem("s1:a", "test_data");
    await storage.setItem("s2:a", "test_data");
    await storage.setItem("s3:a?q=1", "test_data");
    expect(await storage.hasItem("s1:a")).toBe(true);
    expect(await storage.getItem("s1:a")).toBe("test_data");
    expect(await storage.getItem("s3:a?q=2")).toBe("test_data");
    expect((await storage.getKeys()).sort()).toEqual(["s1:a", "s2:a", "s3:a"]);
    expect(await storage.getKeys("s1")).toEqual(["s1:a"]);
    await storage.removeItem("s1:a");
    expect(await storage.hasItem("s1:a")).toBe(false);
  });

  it("keeps values of each kind as they are", async () => {
    const values = {
      object: { a: [1, null, { b: "ü" }] },
      number: 0,
      false: false,
      text: "",
      nested: [["x"]],
    };
    for (const [key, value] of Object.entries(values)) await storage.setItem(key, value);
    for (const [key, value] of Object.entries(values)) expect(await storage.getItem(key)).toEqual(value);
    await storage.setItem("null", null);
    expect(await storage.getItem("null")).toBeNull();
  });

  it("keeps raw bytes, of which unstorage makes base64", async () => {
    const value = new Uint8Array([0, 1, 2, 128, 255]);
    await storage.setItemRaw("value.bin", value);
    const found = await storage.getItemRaw("value.bin");
    expect(new Uint8Array(found)).toEqual(value);
  });

  it("sets and finds many", async () => {
    const items = [
      { key: "t:1", value: "test_data_t1" },
      { key: "t:2", value: "test_data_t2" },
      { key: "t:3", value: "test_data_t3" },
    ];
    await storage.setItems(items);
    expect(await storage.getItems(items.map(({ key }) => key))).toEqual(items);
    const found = await storage.getItems(["t:1", { key: "t:2" }, "t:4"]);
    expect(found.map(({ value }) => value)).toEqual(["test_data_t1", "test_data_t2", null]);
  });

  it("lists to a depth", async () => {
    for (const key of ["a:1", "a:b:1", "b:1"]) await storage.setItem(key, key);
    expect((await storage.getKeys("", { maxDepth: 1 })).sort()).toEqual(["a:1", "b:1"]);
    expect((await prefixStorage(storage, "a").getKeys()).sort()).toEqual(["1", "b:1"]);
  });

  it("takes a ttl, and meta data beside it", async () => {
    await storage.setItem("key", "value", { ttl: 60 });
    expect((await storage.getMeta("key")).ttl).toBeGreaterThan(50);
    await storage.setMeta("key", { custom: "x" });
    expect(await storage.getMeta("key")).toMatchObject({ custom: "x" });
    await storage.removeItem("key", { removeMeta: true });
    expect(await storage.getMeta("key")).toEqual({});
  });

  it("watches its own changes and those of another process", async () => {
    const other = createStorage({ driver: meshcacheDriver({ cache: served.connect(), base: "test" }) });
    const seen: string[] = [];
    const unwatch = await storage.watch((event, key) => seen.push(`${event} ${key}`));
    await storage.setItem("s1:random_file", "random");
    await other.setItem("s2:random_file", "random");
    await other.removeItem("s1:random_file");
    await eventually(() =>
      expect(seen).toEqual(["update s1:random_file", "update s2:random_file", "remove s1:random_file"]),
    );
    await unwatch();
  });

  it("is one of several mounts", async () => {
    const mounted = createStorage();
    mounted.mount("mesh", meshcacheDriver({ cache: served.cache, base: "test" }));
    await mounted.setItem("mesh:key", "value");
    expect(await storage.getItem("key")).toBe("value");
    expect(await mounted.getKeys()).toEqual(["mesh:key"]);
    await mounted.clear("mesh");
    expect(await storage.getItem("key")).toBeNull();
  });
});

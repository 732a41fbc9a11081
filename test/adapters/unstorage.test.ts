/** The driver of unstorage by itself. With unstorage: suites/unstorage.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { meshcacheDriver } from "../../src/adapters/unstorage/index.ts";
import { text } from "../../src/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import { eventually } from "../support/eventually.ts";

describe("meshcacheDriver()", () => {
  let mesh: TestCache;
  beforeEach(async () => {
    mesh = await startTestCache();
  });
  afterEach(() => mesh.close());

  it.each([
    [undefined, {}, undefined],
    [undefined, { ttl: 60 }, 60],
    [120, {}, 120],
    [120, { ttl: 60 }, 60],
    [120, { ttl: 0 }, undefined],
  ])("of the ttl %s keeps an item with %j for %s seconds", async (ttl, options, seconds) => {
    const driver = meshcacheDriver({ cache: mesh.cache, ...(ttl === undefined ? {} : { ttl }) });
    await driver.setItem("key", "value", options);
    const left = (await driver.getMeta("key"))?.ttl;
    if (seconds === undefined) expect(left).toBeUndefined();
    else {
      expect(left).toBeLessThanOrEqual(seconds);
      expect(left).toBeGreaterThan(seconds - 10);
    }
    expect(await driver.getMeta("none")).toBeNull();
  });

  it("clears a base by one invalidation, long keys too, and leaves other bases", async () => {
    const [driver, other] = ["a", "b"].map((base) => meshcacheDriver({ cache: mesh.cache, base }));
    if (driver === undefined || other === undefined) throw new Error("there are two");
    const long = `x:${"y".repeat(2_000)}`;
    for (const key of ["x:1", long, "xy"]) await driver.setItem(key, key);
    await other.setItem("x:1", "kept");
    expect(await driver.getItem(long)).toBe(long);
    await driver.clear("x:");
    expect(await driver.getItems([{ key: "x:1" }, { key: long }, { key: "xy" }])).toEqual([
      { key: "x:1", value: null },
      { key: long, value: null },
      { key: "xy", value: "xy" },
    ]);
    expect(await other.getItem("x:1")).toBe("kept");
    expect(await driver.getKeys()).toEqual(["xy"]);
  });

  it("tells of changes of other processes, one by one, and of many by what they begin with", async () => {
    const driver = meshcacheDriver({ cache: mesh.cache, base: "a" });
    const other = meshcacheDriver({ cache: mesh.connect(), base: "a" });
    const seen: string[] = [];
    const unwatch = await driver.watch((event, key) => seen.push(`${event} ${key}`));
    await other.setItem("x:1", "1");
    await other.setItems([{ key: "x:2", value: "2" }]);
    await other.removeItem("x:1");
    await other.clear("x:");
    await other.clear();
    const entries = mesh.cache.namespace("unstorage", { codec: text(), undecodable: "miss" });
    await entries.invalidate({ tags: ["t"] });
    await eventually(() =>
      expect(seen).toEqual(["update x:1", "update x:2", "remove x:1", "remove x:", "remove ", "remove "]),
    );
    unwatch();
    await other.setItem("x:3", "3");
    await mesh.cache.sync();
    expect(seen).toHaveLength(6);
  });

  it("does not tell of other bases, nor after it was disposed of", async () => {
    const driver = meshcacheDriver({ cache: mesh.cache, base: "a" });
    const other = meshcacheDriver({ cache: mesh.connect(), base: "b" });
    const seen: string[] = [];
    await driver.watch((event, key) => seen.push(`${event} ${key}`));
    await other.setItem("1", "1");
    await driver.setItem("1", "1");
    await eventually(() => expect(seen).toEqual(["update 1"]));
    await driver.dispose();
    await driver.setItem("2", "2");
    await mesh.cache.sync();
    expect(seen).toEqual(["update 1"]);
  });
});

/** BentoCache's driver and bus by themselves. With BentoCache: suites/bentocache.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { meshcacheBusDriver, meshcacheDriver } from "../../src/adapters/bentocache/index.ts";
import { json } from "../../src/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import { eventually } from "../support/eventually.ts";
import { freeAddress } from "../support/free-port.ts";

let mesh: TestCache;
beforeEach(async () => {
  mesh = await startTestCache({ server: { listen: await freeAddress() } });
});
afterEach(() => mesh.close());

describe("meshcacheDriver()", () => {
  const create = (prefix = "bentocache") => meshcacheDriver({ cache: mesh.connect() }).factory({ prefix });

  it("gives a value to one of those who pull it", async () => {
    const drivers = Array.from({ length: 5 }, () => create());
    await drivers[0]?.set("key", "value");
    const pulled = await Promise.all(drivers.map((driver) => driver.pull("key")));
    expect(pulled.filter((value) => value === "value")).toHaveLength(1);
    expect(await create().get("key")).toBeUndefined();
  });

  it("takes the ttl for milliseconds, and none for none", async () => {
    const driver = create();
    await driver.set("short", "value", 60_000);
    await driver.set("long", "value", 0);
    await driver.set("ended", "value", -1);
    const lifetimes = new Map<string, number>();
    for await (const { key, ttlRemainingMs } of mesh.cache.namespace("bentocache").keys()) {
      lifetimes.set(key, ttlRemainingMs);
    }
    expect(lifetimes.get(":bentocache:short")).toBeGreaterThan(50_000);
    expect(lifetimes.get(":bentocache:long")).toBe(Number.POSITIVE_INFINITY);
    expect([...lifetimes.keys()]).toHaveLength(2);
  });

  it("clears what is below its prefix in another process", async () => {
    const [one, other] = [create(), create()];
    const users = other.namespace("users");
    await users.set("1", "Ada");
    await create("bentocache2").set("1", "kept");
    expect(await one.get("users:1")).toBe("Ada");
    await one.clear();
    await eventually(async () => expect(await users.get("1")).toBeUndefined());
    expect(await create("bentocache2").get("1")).toBe("kept");
  });
});

describe("meshcacheBusDriver()", () => {
  const message = (key: string) => ({ type: "delete", keys: [key], namespace: "bentocache" });
  const open = (id: string) => {
    const heard: unknown[] = [];
    const bus = meshcacheBusDriver({ cache: mesh.connect() }).factory().setId(id);
    return { bus, heard, listen: (channel: string) => bus.subscribe(channel, (one) => void heard.push(one)) };
  };

  it("tells every other bus of the channel, and not the one that has published", async () => {
    const buses = ["one", "two", "three"].map(open);
    const stranger = open("four");
    for (const { listen } of buses) await listen("channel");
    await stranger.listen("other channel");
    await buses[0]?.bus.publish("channel", message("a"));
    await buses[1]?.bus.publish("channel", message("b"));
    await eventually(() =>
      expect(buses.map(({ heard }) => heard)).toEqual([
        [message("b")],
        [message("a")],
        [message("a"), message("b")],
      ]),
    );
    expect(stranger.heard).toEqual([]);
  });

  it("delivers messages of any number of keys", async () => {
    const [one, two] = [open("one"), open("two")];
    await two.listen("channel");
    const many = { ...message("a"), keys: Array.from({ length: 5_000 }, (_key, index) => `key ${index}`) };
    await one.bus.publish("channel", many);
    await eventually(() => expect(two.heard).toEqual([many]));
  });

  it("clears all when a message cannot be read any more, or is none", async () => {
    const two = open("two");
    await two.listen("channel");
    const messages = mesh.cache.namespace("bentocache-bus", { codec: json(), nearCache: false });
    await messages.set("channel:one:1", { keys: "none" });
    await messages.setAbsent("channel:one:2");
    const clear = { type: "clear", keys: [], namespace: "bentocache" };
    await eventually(() => expect(two.heard).toEqual([clear, clear]));
  });

  it("clears all when messages may have been missed: the server has lost its store", async () => {
    const two = open("two");
    await two.listen("channel");
    const { address } = mesh;
    await mesh.server.close();
    await using again = await startTestCache({ server: { listen: address } });
    await eventually(() => expect(two.heard).toEqual([{ type: "clear", keys: [], namespace: "bentocache" }]));
    const three = meshcacheBusDriver({ cache: again.cache }).factory().setId("three");
    await three.publish("channel", message("a"));
    await eventually(() => expect(two.heard).toHaveLength(2));
  });

  it("hears nothing after it was disconnected", async () => {
    const [one, two] = [open("one"), open("two")];
    await two.listen("channel");
    await two.bus.disconnect();
    await one.bus.publish("channel", message("a"));
    await mesh.cache.sync();
    expect(two.heard).toEqual([]);
  });
});

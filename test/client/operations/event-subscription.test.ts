/** Event subscriptions: order, prefixes, gaps, a slow reader, and the end. */
import { describe, expect, it } from "vitest";
import { type CacheEvent, type EventSubscription, json } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

const codec = json<string>();

async function start() {
  const mesh = new Mesh({ logMaxEvents: 16 });
  const cache = mesh.connect({ clientId: "reader" });
  const users = cache.namespace("users", { codec, nearCache: false });
  const writer = mesh.connect({ clientId: "writer" }).namespace("users", { codec });
  return { mesh, cache, users, writer };
}

async function take(subscription: EventSubscription, count: number): Promise<CacheEvent[]> {
  const events: CacheEvent[] = [];
  const iterator = subscription[Symbol.asyncIterator]();
  while (events.length < count) {
    const next = await iterator.next();
    if (next.done) break;
    events.push(next.value);
  }
  return events;
}

const brief = (event: CacheEvent): string =>
  event.kind === "gap" ? `gap ${event.cause}` : `${event.kind} ${event.target} ${event.name}`.trim();

describe("subscribe()", () => {
  it("delivers every change once it is live, with the writer", async () => {
    const { mesh, users, writer } = await start();
    const subscription = users.subscribe();
    await mesh.settle();
    await subscription.isLive;
    await mesh.run(writer.set("k", "v", { ttlMs: 1_000 }));
    await mesh.run(writer.touch("k", { ttlMs: 500 }));
    await mesh.run(writer.invalidate({ keys: ["k"] }, { soft: true }));
    await mesh.run(writer.invalidate({ tags: ["t"] }));
    await mesh.run(writer.invalidate({ prefix: "p" }));
    await mesh.run(writer.invalidate({ all: true }));
    const events = await take(subscription, 6);
    expect(events.map(brief)).toEqual([
      "set key k",
      "touched key k",
      "staled key k",
      "invalidated tag t",
      "invalidated prefix p",
      "invalidated all",
    ]);
    expect(events[0]).toMatchObject({ origin: "writer", revision: 1, shard: 0 });
  });

  describe.each([2, 16])("of a store with %d shards", (shards) => {
    async function startSharded() {
      const mesh = new Mesh({ shards });
      const reader = mesh.connect({ clientId: "reader", pingMs: 1_000 });
      const users = reader.namespace("users", { codec });
      const writer = mesh.connect({ clientId: "writer" }).namespace("users", { codec });
      const subscription = users.subscribe();
      await mesh.settle();
      const seen: string[] = [];
      void (async () => {
        for await (const event of subscription) seen.push(brief(event));
      })();
      return { mesh, users, writer, seen };
    }

    it("delivers one event for a tag, a prefix or the namespace, and as many as there are invalidations", async () => {
      const { mesh, writer, seen } = await startSharded();
      await mesh.run(writer.invalidate({ tags: ["t", "u"] }));
      await mesh.run(writer.invalidate({ prefix: "p" }, { soft: true }));
      await mesh.run(writer.invalidate({ all: true }));
      const three = Array.from({ length: 3 }, () => writer.invalidate({ tags: ["t"] }));
      await mesh.run(Promise.all(three));
      const again = "invalidated tag t";
      expect(seen.sort()).toEqual(
        [again, "invalidated tag u", "staled prefix p", "invalidated all", again, again, again].sort(),
      );
    });

    it("delivers it once every shard has applied it: who reads then reads no old copy", async () => {
      const { mesh, users, writer } = await startSharded();
      const keys = Array.from({ length: 40 }, (_, at) => `k${at}`);
      for (const key of keys) await mesh.run(writer.set(key, "old", { tags: ["t"] }));
      await mesh.run(users.getMany(keys));
      const subscription = users.subscribe();
      await mesh.settle();
      const kinds = take(subscription, 1).then(() => Promise.all(keys.map((key) => users.get(key))));
      await mesh.run(writer.invalidate({ tags: ["t"] }));
      expect((await mesh.run(kinds)).map(({ kind }) => kind)).toEqual(keys.map(() => "miss"));
    });
  });

  it("delivers only the events of its prefixes, whatever else the client subscribes to", async () => {
    const { mesh, users, writer } = await start();
    const everything = users.subscribe();
    const hot = users.subscribe({ prefixes: ["hot:"] });
    await mesh.settle();
    await mesh.run(writer.setMany([["hot:1", "v"] as const, ["cold:1", "v"] as const]));
    await mesh.run(writer.invalidate({ tags: ["t"] }));
    await mesh.run(writer.invalidate({ prefix: "cold" }));
    await mesh.run(writer.invalidate({ prefix: "hot:1" }));
    expect((await take(hot, 3)).map(brief)).toEqual([
      "set key hot:1",
      "invalidated tag t",
      "invalidated prefix hot:1",
    ]);
    expect((await take(everything, 5)).length).toBe(5);
  });

  it("replaces the events that a slow reader missed by one gap", async () => {
    const { mesh, users, writer } = await start();
    const subscription = users.subscribe({ queueMaxEvents: 3 });
    await mesh.settle();
    for (let index = 0; index < 4; index += 1) await mesh.run(writer.set(`${index}`, "v"));
    await mesh.run(writer.set("last", "v"));
    expect((await take(subscription, 2)).map(brief)).toEqual(["gap overrun", "set key last"]);
  });

  it("resumes after a reconnect, or delivers a gap", async () => {
    const { mesh, users, writer } = await start();
    const subscription = users.subscribe();
    await mesh.settle();
    await mesh.run(writer.set("before", "v"));
    mesh.links.find((link) => !link.over)?.reset();
    mesh.write("users", "during", "v");
    await mesh.advance(100);
    mesh.write("users", "after", "v");
    await mesh.settle();
    expect((await take(subscription, 3)).map(brief)).toEqual([
      "set key before",
      "set key during",
      "set key after",
    ]);
    mesh.restart();
    await mesh.advance(200);
    expect((await take(subscription, 1)).map(brief)).toEqual(["gap epochChanged"]);
  });

  it("ends with its signal, its loop, its scope or its client", async () => {
    const { mesh, cache, users } = await start();
    const controller = new AbortController();
    const bySignal = users.subscribe({ signal: controller.signal });
    const byClient = users.subscribe({ prefixes: ["quiet:"] });
    const waiting = [take(bySignal, 1), take(byClient, 1)];
    await mesh.settle();
    controller.abort();
    expect(await waiting[0]).toEqual([]);
    expect(() => users.subscribe({ signal: controller.signal })).toThrow("gave up");
    await using scoped = users.subscribe();
    await mesh.settle();
    mesh.write("users", "k", "v");
    await mesh.settle();
    for await (const _event of scoped) break;
    expect(await take(scoped, 1)).toEqual([]);
    await mesh.run(cache.close());
    expect(await waiting[1]).toEqual([]);
    expect(() => users.subscribe()).toThrow("closed");
  });
});

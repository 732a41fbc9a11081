/** Scenarios 9 to 17, 25, 31 and 32: what may be served from the near cache, when and for how long. */
import { describe, expect, it } from "vitest";
import { Event_Kind } from "../../gen/meshcache/v1/cache_pb.ts";
import { type ClientOptions, json, type MeshCache, type Namespace } from "../../src/index.ts";
import { Mesh } from "../support/mesh.ts";
import {
  createScriptedClient,
  hit,
  keyEvent,
  NAMESPACE,
  notModified,
  type ScriptedClient,
  tagEvent,
} from "../support/scripted-client.ts";

const LEASE_MS = 5_000;

interface Joined {
  readonly cache: MeshCache;
  readonly users: Namespace<string>;
}

/** A client with "k" = "v1" in its near cache. */
async function join(mesh: Mesh, options: Partial<ClientOptions> = {}, ttlMs = 0): Promise<Joined> {
  const cache = mesh.connect(options);
  const users = cache.namespace(NAMESPACE, { codec: json<string>() });
  await mesh.settle();
  if ((await mesh.run(users.get("k"))).kind === "miss") await mesh.run(users.set("k", "v1", { ttlMs }));
  await mesh.run(users.get("k"));
  return { cache, users };
}

/** The result of a read, and whether the near cache answered it. */
async function read(
  mesh: Mesh,
  { cache, users }: Joined,
  key = "k",
): Promise<[value: string, near: boolean]> {
  const hits = cache.stats().near.hits;
  const outcome = await mesh.run(users.get(key));
  return [outcome.kind === "hit" ? outcome.value : outcome.kind, cache.stats().near.hits > hits];
}

async function scripted(options: Partial<ClientOptions> = {}): Promise<ScriptedClient & Joined> {
  const client = createScriptedClient(options);
  const users = client.cache.namespace(NAMESPACE, { codec: json<string>() });
  await client.settle();
  const first = users.get("k");
  await client.settle();
  client.server.link.takeBatch().answer(hit("v1", { revision: 5, tags: ["t"] }));
  await first;
  return { ...client, users };
}

const isNear = (client: Joined, key = "k"): boolean => {
  const { hits } = client.cache.stats().near;
  client.users.get(key).catch(() => undefined);
  return client.cache.stats().near.hits > hits;
};

describe("The hit rule", () => {
  it("scenario 9: serves nothing between a disconnect and the catch-up, and afterwards only unchanged entries", async () => {
    const mesh = new Mesh();
    const reader = await join(mesh);
    const writer = await join(mesh);
    await mesh.run(reader.users.set("quiet", "still"));
    expect(await read(mesh, reader)).toEqual(["v1", true]);

    const [readersLink] = mesh.links;
    readersLink?.reset();
    await mesh.run(writer.users.set("k", "v2"));
    expect(isNear(reader)).toBe(false);
    expect(isNear(reader, "quiet")).toBe(false);
    await mesh.advance(100);
    expect((await read(mesh, reader))[0]).toBe("v2");
    expect(await read(mesh, reader, "quiet")).toEqual(["still", true]);
    expect(reader.cache.stats().connection).toMatchObject({ streams: 2, gaps: 0 });
  });

  it("scenario 9: an open subscription that has not caught up serves nothing", async () => {
    const client = await scripted();
    client.server.autoEpoch = undefined;
    client.server.link.reset();
    client.clock.advance(100);
    await client.settle();
    const { link } = client.server;
    const [resumed] = link.takeSubscriptions();
    expect([...(resumed?.what.cursor ?? [])]).not.toEqual([]);
    link.opened(1n);
    link.opened(resumed?.id ?? 0n);
    expect(isNear(client)).toBe(false);
    link.event(keyEvent("other", { revision: 6 }));
    expect(isNear(client)).toBe(false);
    link.progress();
    expect(isNear(client)).toBe(true);
  });

  it("scenario 10: a stream that resumes past the window has a gap, and entries are revalidated by version", async () => {
    const mesh = new Mesh({ logMaxEvents: 4 });
    const reader = await join(mesh, { revalidateMaxEntries: 0 });
    await mesh.run(reader.users.set("quiet", "still"));
    const writer = await join(mesh);
    mesh.links[0]?.reset();
    for (let index = 0; index < 10; index += 1) await mesh.run(writer.users.set(`other:${index}`, "x"));
    await mesh.run(writer.users.set("k", "v2"));
    await mesh.advance(100);
    expect(reader.cache.stats().connection.gaps).toBe(1);
    expect(await read(mesh, reader)).toEqual(["v2", false]);
    const { revalidated } = reader.cache.stats().near;
    expect(await read(mesh, reader, "quiet")).toEqual(["still", false]);
    expect(reader.cache.stats().near.revalidated).toBe(revalidated + 1);
    expect(await read(mesh, reader, "quiet")).toEqual(["still", true]);
  });

  it("scenario 11: one lost frame ends the stream, and the next stream delivers its events", async () => {
    const client = await scripted();
    const lossy = client.server.link;
    const before = lossy.cursor();
    // The event of "k" is lost. The next event does not concern "k".
    lossy.lose();
    lossy.event(keyEvent("other", { revision: 7 }));
    expect(lossy.closedByClient).toBe(true);
    expect(isNear(client)).toBe(false);
    client.server.autoEpoch = undefined;
    client.clock.advance(100);
    await client.settle();
    const { link } = client.server;
    const [resumed] = link.takeSubscriptions();
    expect(resumed?.what.cursor).toEqual(before);
    link.opened(1n);
    link.opened(resumed?.id ?? 0n);
    link.event(keyEvent("k", { revision: 6 }), keyEvent("other", { revision: 7 }));
    link.progress();
    expect(isNear(client)).toBe(false);
  });

  it("scenario 12: a restart that uses the same revisions again does not revive old entries", async () => {
    const mesh = new Mesh();
    const reader = await join(mesh, { revalidateMaxEntries: 0 });
    const versions = [await mesh.run(reader.users.entry("k"))];
    mesh.restart();
    await mesh.advance(100);
    const writer = await join(mesh);
    await mesh.run(writer.users.set("k", "reborn"));
    versions.push(await mesh.run(writer.users.entry("k")));
    const [before, after] = versions.map((entry) => (entry.kind === "hit" ? entry.version : undefined));
    expect(after?.epoch).not.toBe(before?.epoch);
    expect(await read(mesh, reader)).toEqual(["reborn", false]);
  });

  it("scenario 12: an entry of an old epoch is not revalidated, even when the version is the same number", async () => {
    const client = await scripted({ revalidateMaxEntries: 0 });
    client.server.autoEpoch = 8n;
    client.server.link.reset();
    client.clock.advance(100);
    await client.settle();
    const again = client.users.get("k");
    await client.settle();
    const { operations, answer } = client.server.link.takeBatch();
    expect(operations[0]?.operation).toMatchObject({ case: "get", value: { ifVersion: 0n, ifEpoch: 0n } });
    answer(hit("reborn", { revision: 5, epoch: 8n }));
    expect(await again).toEqual({ kind: "hit", value: "reborn" });
  });

  it("scenario 13: a half-open connection is not trusted longer than the lease", async () => {
    const mesh = new Mesh();
    const reader = await join(mesh, { silenceMaxMs: LEASE_MS });
    const writer = await join(mesh);
    const [readersLink] = mesh.links;
    if (readersLink !== undefined) readersLink.blackhole = true;
    await mesh.run(writer.users.set("k", "v2"));
    // Within the lease: the entry was current when the last answered ping was sent.
    expect(isNear(reader)).toBe(true);
    mesh.clock.advance(LEASE_MS);
    await mesh.settle();
    expect(isNear(reader)).toBe(true);
    mesh.clock.advance(1);
    expect(isNear(reader)).toBe(false);
    // Later the client ends the silent stream, and the next one answers.
    await mesh.advance(4 * LEASE_MS);
    expect(await read(mesh, reader)).toEqual(["v2", false]);
    expect(await read(mesh, reader)).toEqual(["v2", true]);
    expect(reader.cache.stats().connection.streams).toBe(2);
  });

  it("scenario 14: after a pause the first read checks the lease, before any timer runs", async () => {
    const mesh = new Mesh();
    const reader = await join(mesh);
    expect(isNear(reader)).toBe(true);
    mesh.pause(LEASE_MS + 1);
    expect(isNear(reader)).toBe(false);
    await mesh.advance(1_000);
    expect(isNear(reader)).toBe(true);
  });

  it("scenario 15: the lease counts from when a ping was sent, however late its answer comes", async () => {
    const client = await scripted();
    client.server.link.stopAnswering();
    client.clock.advance(1_000);
    client.clock.advance(3_000);
    const [oldest, ...younger] = client.server.link.takePings().slice(-4);
    expect(younger.length).toBeGreaterThan(0);
    client.clock.advance(900);
    client.server.link.progress(oldest ?? 0n);
    // The ping was sent 3,900 ms ago, so 1,100 ms are left of its lease and not 5,000.
    client.clock.leap(1_100);
    expect(isNear(client)).toBe(true);
    client.clock.leap(1);
    expect(isNear(client)).toBe(false);
  });

  it("scenario 16: a Progress does not overtake the events from before its ping", async () => {
    const mesh = new Mesh();
    const reader = await join(mesh);
    const writer = await join(mesh);
    const [readersLink] = mesh.links;
    readersLink?.hold();
    await mesh.run(writer.users.set("k", "v2"));
    const synced = reader.cache.sync();
    await mesh.settle();
    if (readersLink !== undefined) readersLink.holdRequests = false;
    await mesh.settle();
    const kinds = readersLink?.responses.map((response) => response.frame.case);
    expect(kinds).toEqual(["events", "progress"]);
    readersLink?.release();
    await mesh.run(synced);
    expect(await read(mesh, reader)).toEqual(["v2", false]);
  });

  it("scenario 17: a client that reads too slowly gets one gap, and reads again", async () => {
    const mesh = new Mesh({ logMaxEvents: 8 });
    const reader = await join(mesh, { revalidateMaxEntries: 0 });
    const writer = await join(mesh);
    const [readersLink] = mesh.links;
    if (readersLink !== undefined) readersLink.full = true;
    for (let index = 0; index < 40; index += 1) await mesh.run(writer.users.set(`other:${index}`, "x"));
    await mesh.run(writer.users.set("k", "v2"));
    if (readersLink !== undefined) readersLink.full = false;
    readersLink?.session?.drained();
    await mesh.settle();
    expect(reader.cache.stats().connection.gaps).toBe(1);
    expect(await read(mesh, reader)).toEqual(["v2", false]);
  });

  it("scenario 25: a client learns from the event that another client shortened a TTL", async () => {
    const mesh = new Mesh();
    const reader = await join(mesh, {}, 60_000);
    const writer = await join(mesh);
    expect(await mesh.run(writer.users.touch("k", { ttlMs: 500 }))).toBe(true);
    expect(await read(mesh, reader)).toEqual(["v1", false]);
    expect(await read(mesh, reader)).toEqual(["v1", true]);
    mesh.clock.advance(500);
    expect(await read(mesh, reader)).toEqual(["miss", false]);
  });

  it("scenario 25: the TTL counts from when the request was sent, not from the answer", async () => {
    const client = await scripted();
    const slow = client.users.get("slow");
    await client.settle();
    client.clock.advance(400);
    client.server.link.takeBatch().answer(hit("v", { revision: 5, ttlMs: 1_000 }));
    await slow;
    client.clock.advance(599);
    expect(isNear(client, "slow")).toBe(true);
    client.clock.advance(1);
    expect(isNear(client, "slow")).toBe(false);
  });

  it("scenario 25: an entry outlives its eviction on the server within its TTL, but not its replacement", async () => {
    const mesh = new Mesh({ engine: "lru", budgetBytes: 65_536 });
    const reader = await join(mesh);
    const writer = await join(mesh, { nearCache: false });
    for (let index = 0; index < 200; index += 1) {
      await mesh.run(writer.users.set(`filler:${index}`, "x".repeat(1_000)));
    }
    expect(await read(mesh, writer)).toEqual(["miss", false]);
    expect(await read(mesh, reader)).toEqual(["v1", true]);
    await mesh.run(writer.users.set("k", "v2"));
    expect(await read(mesh, reader)).toEqual(["v2", false]);
  });

  it("scenario 31: after a mass reconnect each client revalidates in batches, after a delay of its own", async () => {
    const starts: number[] = [];
    const mesh = new Mesh({ logMaxEvents: 1_000 });
    const keys = Array.from({ length: 600 }, (_, index) => `k:${index}`);
    const clients = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const cache = mesh.connect({ revalidateJitterMs: 2_000 });
        const users = cache.namespace(NAMESPACE, { codec: json<string>() });
        await mesh.settle();
        return { cache, users };
      }),
    );
    for (const key of keys) mesh.write(NAMESPACE, key, "v");
    for (const { users } of clients) await mesh.run(users.getMany(keys));
    const operationsBefore = clients.map(({ cache }) => cache.stats().connection.operations);
    const operationsSoFar = [...operationsBefore];
    let mostAtOnce = 0;
    for (const link of [...mesh.links]) link.reset();
    for (let index = 0; index < 1_100; index += 1) mesh.write(NAMESPACE, `other:${index}`, "x");
    await mesh.advance(100, 10);
    expect(clients.map(({ cache }) => cache.stats().connection.gaps)).toEqual([1, 1, 1, 1]);
    for (let passed = 0; passed < 8_000; passed += 10) {
      await mesh.advance(10, 10);
      clients.forEach(({ cache }, index) => {
        const { operations } = cache.stats().connection;
        mostAtOnce = Math.max(mostAtOnce, operations - (operationsSoFar[index] ?? 0));
        operationsSoFar[index] = operations;
        if (starts[index] === undefined && operations > (operationsBefore[index] ?? 0))
          starts[index] = passed;
      });
    }
    expect(new Set(starts).size).toBe(4);
    expect(mostAtOnce).toBeLessThanOrEqual(256);
    for (const { cache, users } of clients) {
      const { near, connection } = cache.stats();
      expect(near.revalidated).toBe(600);
      const { batches } = connection;
      await mesh.run(users.getMany(keys));
      expect(cache.stats().connection.batches).toBe(batches);
    }
  });

  it("scenario 32: events of one revision are applied together: no read sees one without the other", async () => {
    const mesh = new Mesh();
    const reader = await join(mesh);
    await mesh.run(reader.users.setMany([["a", "1"] as const, ["b", "1"] as const]));
    const writer = await join(mesh);
    const [readersLink] = mesh.links;
    readersLink?.hold();
    await mesh.run(writer.users.invalidate({ keys: ["a", "b"] }));
    const frames = readersLink?.responses.filter((response) => response.frame.case === "events") ?? [];
    expect(frames.length).toBe(1);
    const [frame] = frames;
    if (frame?.frame.case !== "events") throw new Error("no events");
    expect(new Set(frame.frame.value.events.map((event) => event.stamp?.revision)).size).toBe(1);
    expect([isNear(reader, "a"), isNear(reader, "b")]).toEqual([true, true]);
    readersLink?.release();
    readersLink?.pump();
    expect([isNear(reader, "a"), isNear(reader, "b")]).toEqual([false, false]);
  });

  it("drops an entry after a soft invalidation", async () => {
    const client = await scripted();
    client.server.link.event(keyEvent("k", { revision: 6 }, Event_Kind.STALED));
    expect(isNear(client)).toBe(false);
  });

  it("revalidates an entry after a touch, and then serves it again", async () => {
    const client = await scripted();
    client.server.link.event(keyEvent("k", { revision: 6 }, Event_Kind.TOUCHED));
    const again = client.users.get("k");
    await client.settle();
    client.server.link.takeBatch().answer(notModified({ revision: 6, ttlMs: 1_000 }));
    expect(await again).toEqual({ kind: "hit", value: "v1" });
    expect(isNear(client)).toBe(true);
    client.clock.advance(1_000);
    expect(isNear(client)).toBe(false);
  });

  it("serves within the shorter bound of a read", async () => {
    const client = await scripted({ pingMs: 1_000 });
    client.server.link.stopAnswering();
    client.clock.advance(999);
    const near = (maxStalenessMs: number): boolean => {
      const { hits } = client.cache.stats().near;
      client.users.get("k", { maxStalenessMs }).catch(() => undefined);
      return client.cache.stats().near.hits > hits;
    };
    expect(near(999)).toBe(true);
    expect(near(998)).toBe(false);
    expect(near(0)).toBe(false);
  });

  it("an event of a tag removes exactly the entries with the tag", async () => {
    const client = await scripted();
    const other = client.users.get("other");
    await client.settle();
    client.server.link.takeBatch().answer(hit("v", { revision: 5, tags: ["u"] }));
    await other;
    client.server.link.event(tagEvent("t", { revision: 6 }));
    expect([isNear(client), isNear(client, "other")]).toEqual([false, true]);
  });
});

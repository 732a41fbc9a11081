/** The near cache as readers see it: sharing, bounds, selectors, own writes, and the coherence probe. */
import { describe, expect, it } from "vitest";
import { SelectorSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import {
  bytes,
  type ClientOptions,
  json,
  type NamespaceOptions,
  protobuf,
  text,
} from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";
import { createScriptedClient, hit, keyEvent, NAMESPACE } from "../../support/scripted-client.ts";

interface User {
  name: string;
  tags: string[];
}

async function start(
  options: Partial<ClientOptions> = {},
  namespaceOptions: Partial<NamespaceOptions<User>> = {},
) {
  const mesh = new Mesh();
  const cache = mesh.connect(options);
  const users = cache.namespace("users", { codec: json<User>(), ...namespaceOptions });
  await mesh.settle();
  return { mesh, cache, users };
}

const ada = (): User => ({ name: "Ada", tags: ["a"] });

describe("Near cache", () => {
  it("gives all readers one frozen value, and does not freeze the object of the writer", async () => {
    const { mesh, users } = await start();
    const mine = ada();
    await mesh.run(users.set("k", mine));
    mine.name = "changed by its owner";
    const [one, two] = await mesh.run(users.getMany(["k", "k"]));
    expect(one).toEqual({ kind: "hit", value: ada() });
    expect(one).toBe(two);
    expect(one?.kind === "hit" && Object.isFrozen(one.value) && Object.isFrozen(one.value.tags)).toBe(true);
  });

  it("freezes a value from the server in the same way as a near one", async () => {
    const { mesh, users } = await start();
    await mesh.run(users.set("k", ada()));
    const outcome = await mesh.run(users.get("k", { maxStalenessMs: 0 }));
    expect(outcome.kind === "hit" && Object.isFrozen(outcome.value.tags)).toBe(true);
  });

  it("gives each reader a value of its own when values are cloned", async () => {
    const { mesh, cache, users } = await start({ nearCache: { values: "cloned" } });
    await mesh.run(users.set("k", ada()));
    const one = await mesh.run(users.get("k"));
    if (one.kind === "hit") one.value.tags.push("mine");
    const two = await mesh.run(users.get("k"));
    expect(two).toEqual({ kind: "hit", value: ada() });
    expect(cache.stats().near.hits).toBe(2);
  });

  it("gives each reader bytes of its own, because bytes cannot be frozen", async () => {
    const { mesh, cache } = await start();
    const blobs = cache.namespace("blobs", { codec: bytes() });
    await mesh.settle();
    for (const size of [3, 100, 10_240]) {
      const value = new Uint8Array(size).fill(1);
      await mesh.run(blobs.set("k", value));
      for (const maxStalenessMs of [0, 0, 1_000, 1_000]) {
        const one = await mesh.run(blobs.get("k", { maxStalenessMs }));
        expect(one).toEqual({ kind: "hit", value });
        if (one.kind === "hit") one.value[0] = 99;
      }
    }
  });

  it("keeps protobuf messages frozen", async () => {
    const { mesh, cache } = await start();
    const selectors = cache.namespace("selectors", { codec: protobuf(SelectorSchema) });
    await mesh.settle();
    const message = {
      $typeName: "meshcache.v1.Selector",
      namespace: "n",
      namespaceIsPrefix: false,
      prefixes: ["p"],
    } as const;
    await mesh.run(selectors.set("k", { ...message, prefixes: ["p"] }));
    const one = await mesh.run(selectors.get("k"));
    expect(one.kind === "hit" && one.value).toEqual(message);
    expect(await mesh.run(selectors.get("k"))).toBe(one);
  });

  it("stays within `maxBytes`, and does not keep a value that is larger", async () => {
    const { mesh, cache } = await start({ nearCache: { maxBytes: 65_536 } });
    const texts = cache.namespace("texts", { codec: text() });
    await mesh.settle();
    for (let index = 0; index < 200; index += 1) await mesh.run(texts.set(`${index}`, "x".repeat(1_000)));
    const { near } = cache.stats();
    expect(near.bytes).toBeLessThanOrEqual(65_536);
    expect(near.entries).toBeGreaterThan(40);
    await mesh.run(texts.set("large", "x".repeat(70_000)));
    const { misses } = cache.stats().near;
    await mesh.run(texts.get("large"));
    expect(cache.stats().near.misses).toBe(misses + 1);
  });

  it("keeps only the keys of its prefixes, and subscribes to no others", async () => {
    const { mesh, cache, users } = await start({}, { nearCache: { prefixes: ["hot:"] } });
    for (const key of ["hot:1", "cold:1"]) {
      await mesh.run(users.set(key, ada()));
      await mesh.run(users.get(key));
    }
    expect(cache.stats().near).toMatchObject({ hits: 1, entries: 1 });
    const scripted = createScriptedClient();
    const nearCache = { prefixes: ["hot:", "warm:"] };
    scripted.cache.namespace(NAMESPACE, { codec: json<User>(), nearCache });
    await scripted.settle();
    const [subscription] = scripted.server.link.takeSubscriptions();
    expect(subscription?.what.selectors).toMatchObject([{ namespace: NAMESPACE, ...nearCache }]);
  });

  it("keeps nothing and subscribes to nothing when it is off", async () => {
    const client = createScriptedClient({ nearCache: false });
    const users = client.cache.namespace(NAMESPACE, { codec: json<string>() });
    for (let round = 0; round < 2; round += 1) {
      const read = users.get("k");
      await client.settle();
      client.server.link.takeBatch().answer(hit("v", { revision: 1 }));
      await read;
    }
    expect(client.server.link.takeSubscriptions()).toEqual([]);
  });

  it("shows the writes of one handle of a namespace to the other", async () => {
    const { mesh, cache, users } = await start();
    const again = cache.namespace("users", { codec: json<User>() });
    await mesh.settle();
    await mesh.run(users.set("k", ada()));
    await mesh.run(again.get("k"));
    const write = users.set("k", { ...ada(), name: "Grace" });
    expect(cache.stats().near.entries).toBe(0);
    await mesh.run(write);
    const outcome = await mesh.run(again.get("k"));
    expect(outcome.kind === "hit" && outcome.value.name).toBe("Grace");
  });

  it("removes the entry of a write that fails", async () => {
    const { mesh, cache, users } = await start();
    await mesh.run(users.set("k", ada()));
    mesh.link.blackhole = true;
    const write = users.set("k", { ...ada(), name: "Grace" }).catch((error) => error.reason);
    expect(cache.stats().near.entries).toBe(0);
    await mesh.advance(2_000);
    expect(await write).toBe("DEADLINE");
    expect(cache.stats().near.entries).toBe(0);
  });

  it("compares and sets with the version of an entry, near or remote", async () => {
    const { mesh, users } = await start();
    await mesh.run(users.set("k", ada()));
    const entry = await mesh.run(users.entry("k"));
    if (entry.kind !== "hit" || entry.version === undefined) throw new Error("no version");
    expect(entry.source).toBe("near");
    const when = entry.version;
    expect((await mesh.run(users.set("k", ada(), { when }))).kind).toBe("stored");
    expect(await mesh.run(users.set("k", ada(), { when }))).toEqual({
      kind: "refused",
      reason: "versionMismatch",
    });
    expect(await mesh.run(users.set("k", ada(), { when: "absent" }))).toMatchObject({ reason: "exists" });
    expect(await mesh.run(users.set("new", ada(), { when: "present" }))).toMatchObject({ reason: "absent" });
  });
});

describe("The coherence probe", () => {
  const probing = { telemetry: { probeShare: 1 } };

  it("reports no violation for entries that are current, expired or just invalidated", async () => {
    const { mesh, cache, users } = await start(probing);
    const writer = mesh.connect().namespace("users", { codec: json<User>() });
    await mesh.settle();
    await mesh.run(users.set("k", ada()));
    const [readersLink] = mesh.links;
    for (let round = 0; round < 5; round += 1) {
      readersLink?.hold();
      await mesh.run(writer.set("k", { ...ada(), name: `${round}` }));
      await users.get("k");
      readersLink?.release();
      await mesh.settle();
      await mesh.run(users.get("k"));
      await mesh.run(users.get("k"));
    }
    const { probes } = cache.stats();
    expect(probes.probes).toBeGreaterThanOrEqual(5);
    expect(probes.probesStale).toBe(5);
    expect(probes.probeViolations).toBe(0);
  });

  it("reports a lost event as a violation", async () => {
    const client = createScriptedClient(probing);
    const users = client.cache.namespace(NAMESPACE, { codec: json<string>() });
    await client.settle();
    const first = users.get("k");
    await client.settle();
    client.server.link.takeBatch().answer(hit("v1", { revision: 5 }));
    await first;
    await users.get("k");
    await client.settle();
    // The server has version 6 and sent no event.
    client.server.link.takeBatch().answer(hit("v2", { revision: 6 }));
    expect(client.cache.stats().probes).toEqual({ probes: 1, probesStale: 1, probeViolations: 1 });
  });

  it("reports no violation when the event came first", async () => {
    const client = createScriptedClient(probing);
    const users = client.cache.namespace(NAMESPACE, { codec: json<string>() });
    await client.settle();
    const first = users.get("k");
    await client.settle();
    client.server.link.takeBatch().answer(hit("v1", { revision: 5 }));
    await first;
    await users.get("k");
    await client.settle();
    client.server.link.event(keyEvent("k", { revision: 6 }));
    client.server.link.takeBatch().answer(hit("v2", { revision: 6 }));
    expect(client.cache.stats().probes).toEqual({ probes: 1, probesStale: 1, probeViolations: 0 });
  });
});

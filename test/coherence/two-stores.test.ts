/** Scenario 37: two stores behind one address, as a rolling update makes them. */
import { afterEach, describe, expect, it } from "vitest";
import { AGREEING_ANSWERS } from "../../src/client/connection/store-probe.ts";
import { type ClientOptions, json, MeshCache, type Namespace } from "../../src/index.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { createScriptedClient, hit, NAMESPACE, type ScriptedClient } from "../support/scripted-client.ts";
import { withTestTls } from "../support/test-tls.ts";
import { until } from "../support/until.ts";

const codec = json<string>();
const E1 = 7n;
const E2 = 8n;

interface Visitor extends ScriptedClient {
  /** The stream ends, and the next one is to this store. */
  meet(epoch: bigint): Promise<void>;
  /** Reads "k" from the server, and says whether the near cache has it then. */
  keeps(epoch: bigint): Promise<boolean>;
}

async function visit(options: Partial<ClientOptions> = {}): Promise<Visitor> {
  const client = createScriptedClient({ revalidateMaxEntries: 0, backoffMaxMs: 1_000, ...options });
  const { server, clock, settle, cache } = client;
  const users = cache.namespace(NAMESPACE, { codec });
  server.autoEpoch = E1;
  await settle();
  return {
    ...client,
    async meet(epoch) {
      server.autoEpoch = epoch;
      server.link.reset();
      clock.advance(1_000);
      await settle();
    },
    async keeps(epoch) {
      const primary = server.links.findLast((link) => !link.closedByClient);
      const read = users.get("k", { maxStalenessMs: 0 });
      await settle();
      while (primary !== undefined && primary.batchesWaiting > 0) {
        primary.takeBatch().answer(hit("v", { revision: 5, epoch }));
      }
      await settle();
      await read;
      const { hits } = cache.stats().near;
      users.get("k").catch(() => undefined);
      return cache.stats().near.hits > hits;
    },
  };
}

describe("T5: two stores behind one address", () => {
  it("scenario 37: E1, E2, E1 at one address turns the near caches off, is counted, and is told", async () => {
    const client = await visit();
    expect(await client.keeps(E1)).toBe(true);
    await client.meet(E2);
    expect(await client.keeps(E2)).toBe(true);
    expect(client.cache.stats().events.twoStores).toBe(0);
    await client.meet(E1);
    expect(client.cache.stats().events.twoStores).toBe(1);
    expect(client.cache.stats().connection.twoStores).toBe(true);
    expect(await client.keeps(E1)).toBe(false);
  });

  it("scenario 37: any number of restarts is one store", async () => {
    const client = await visit();
    for (const epoch of [8n, 9n, 10n, 11n]) {
      await client.meet(epoch);
      expect(await client.keeps(epoch)).toBe(true);
    }
    expect(client.cache.stats().events.twoStores).toBe(0);
  });

  it("scenario 37: three stores in turn are found too", async () => {
    const client = await visit();
    await client.meet(E2);
    await client.meet(9n);
    await client.meet(E1);
    expect(client.cache.stats().events.twoStores).toBe(1);
  });

  it("scenario 37: a store whose server drained does not count", async () => {
    const client = await visit();
    client.server.link.send({ case: "draining", value: {} });
    await client.meet(E2);
    await client.meet(E1);
    expect(client.cache.stats().events.twoStores).toBe(0);
    expect(await client.keeps(E1)).toBe(true);
  });

  it("scenario 37: stores at different addresses are not compared", async () => {
    const client = await visit({ address: ["one:1", "two:2"] });
    const { server, clock, settle, cache } = client;
    for (const epoch of [E2, E1, E2, E1]) {
      server.autoEpoch = epoch;
      server.link.send({ case: "draining", value: {} });
      await settle();
      clock.advance(1_000);
      await settle();
    }
    expect(new Set(server.links.map(({ address }) => address)).size).toBe(2);
    expect(cache.stats().events.twoStores).toBe(0);
  });

  it("scenario 37: near caches are on again when one store alone has answered, and not before", async () => {
    const client = await visit();
    await client.meet(E2);
    await client.meet(E1);
    const { server, clock, settle, cache } = client;
    const links = server.links.length;
    const answers = async (count: number, epoch: bigint): Promise<void> => {
      server.autoEpoch = epoch;
      for (const last = server.links.length + count; server.links.length < last; ) {
        clock.advance(10);
        await settle();
      }
    };
    await answers(AGREEING_ANSWERS - 1, E1);
    await answers(1, E2);
    await answers(AGREEING_ANSWERS - 1, E1);
    expect(cache.stats().connection.twoStores).toBe(true);
    expect(await client.keeps(E1)).toBe(false);
    await answers(1, E1);
    expect(cache.stats().connection.twoStores).toBe(false);
    expect(cache.stats().events.oneStore).toBe(1);
    expect(await client.keeps(E1)).toBe(true);
    // It asks no more, and every question is closed.
    const asked = server.links.length;
    expect(server.links.slice(links).every(({ closedByClient }) => closedByClient)).toBe(true);
    clock.advance(60_000);
    await settle();
    expect(server.links.length).toBe(asked);
  });

  it("scenario 37: moves to the store that remains when its own is not reached any more", async () => {
    const client = await visit();
    await client.meet(E2);
    await client.meet(E1);
    const { server, clock, settle, cache } = client;
    server.autoEpoch = E2;
    for (let step = 0; step < 4_000 && cache.stats().connection.twoStores; step += 1) {
      clock.advance(10);
      await settle();
    }
    expect(cache.stats().connection.twoStores).toBe(false);
    expect(await client.keeps(E2)).toBe(true);
  });
});

describe("T5: over real sockets", () => {
  const servers: RunningServer[] = [];
  let proxy: FaultProxy | undefined;
  let cache: MeshCache | undefined;

  afterEach(async () => {
    await cache?.close({ graceMs: 0 });
    await proxy?.[Symbol.asyncDispose]();
    for (const server of servers.splice(0)) await server.stop();
  });

  it("scenario 37: a rolling update is seen, and near caches are on again once it is over", async () => {
    const [old, young] = [await startServer(), await startServer()];
    servers.push(old, young);
    proxy = await startFaultProxy(old.address);
    const kinds: string[] = [];
    cache = new MeshCache({
      ...withTestTls,
      address: proxy.address,
      deadlineMs: 20_000,
      backoffMaxMs: 100,
      onEvent: ({ kind }) => kinds.push(kind),
    });
    const users: Namespace<string> = cache.namespace("users", { codec });
    await users.set("k", "v");
    const meet = async (server: RunningServer): Promise<void> => {
      const { streams = 0 } = cache?.stats().connection ?? {};
      if (proxy !== undefined) proxy.target = server.address;
      proxy?.reset();
      await until(
        () =>
          users.get("k").then(
            () => cache?.stats().connection.streams ?? 0,
            () => 0,
          ),
        (now) => now > streams,
      );
    };
    await meet(young);
    await meet(old);
    expect(cache.stats().events.twoStores).toBe(1);

    await until(
      () => users.entry("k").then(({ source }) => source, String),
      (source) => source === "near",
    );
    expect(cache.stats().connection.twoStores).toBe(false);
    await until(
      async () => kinds.filter((kind) => kind.endsWith("Store") || kind.endsWith("Stores")),
      (seen) => seen.join() === "twoStores,oneStore",
    );
  });
});

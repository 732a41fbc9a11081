/** What a client does when the only server ends, and when the next one is there. */
import { afterEach, describe, expect, it } from "vitest";
import { json, MeshCache } from "../../src/index.ts";
import { freeAddress } from "../support/free-port.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { until } from "../support/until.ts";

const codec = json<string>();
/** The server would wait for half of it. */
const DRAIN_MAX_MS = 20_000;
const SOON_MS = 5_000;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function serve(address?: string, workers = 1): Promise<RunningServer> {
  const listen = address ?? (await freeAddress());
  const running = await startServer({ listen, workers, transport: { drainMaxMs: DRAIN_MAX_MS } });
  cleanups.push(() => running.stop());
  return running;
}

function connect(address: string): MeshCache {
  const cache = new MeshCache({ address });
  cleanups.push(async () => {
    await cache.close();
  });
  return cache;
}

describe("T8: the drain of the only server", () => {
  it.each([1, 2])("ends when its clients have left, with %i workers", async (workers) => {
    const { server, address } = await serve(undefined, workers);
    const caches = [connect(address), connect(address), connect(address)];
    for (const cache of caches) await cache.namespace("users", { codec }).set("k", "v");
    const began = performance.now();
    await server.drain();
    expect(performance.now() - began).toBeLessThan(SOON_MS);
    for (const cache of caches) {
      expect(await cache.namespace("users", { codec }).getOrLoad("k", () => "loaded")).toBe("loaded");
    }
  });

  it("answers first what is under way", async () => {
    const { server, address } = await serve();
    const [holder, waiter] = [connect(address), connect(address)].map((cache) =>
      cache.namespace("users", { codec }),
    );
    if (holder === undefined || waiter === undefined) throw new Error("there are two clients");
    const loading = Promise.withResolvers<string>();
    const loads = [holder.getOrLoad("k", () => loading.promise)];
    await until(
      async () => server.store.counters.leasesGranted,
      (granted) => granted === 1,
    );
    const read = waiter.get("other");
    const drained = server.drain();
    expect((await read).kind).toBe("miss");
    loading.resolve("loaded");
    expect(await Promise.all(loads)).toEqual(["loaded"]);
    const began = performance.now();
    await drained;
    expect(performance.now() - began).toBeLessThan(SOON_MS);
  });

  it("lets the clients come back to the next one at the same address", async () => {
    const { server, address } = await serve();
    const cache = connect(address);
    const users = cache.namespace("users", { codec });
    await users.set("k", "v");
    await server.drain();
    await serve(address);
    await until(
      () => users.set("k", "again").then(({ kind }) => kind, String),
      (kind) => kind === "stored",
    );
    expect(await users.get("k")).toEqual({ kind: "hit", value: "again" });
  });
});

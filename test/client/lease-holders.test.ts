/** T3, scenario 36 over real sockets: leases end with the stream of their holder, or move with it. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { MeshCache, type Namespace, text } from "../../src/index.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { withTestTls } from "../support/test-tls.ts";
import { until } from "../support/until.ts";

/** Longer than a test may take: no lease of these ends by time. */
const LONG_LOAD_MS = 50_000;

let running: RunningServer;
let proxy: FaultProxy;
let clients: MeshCache[];

const begin = async (connectionAgeMs?: number): Promise<void> => {
  running = await startServer(connectionAgeMs === undefined ? {} : { transport: { connectionAgeMs } });
  proxy = await startFaultProxy(running.address);
};

function join(address: string): { readonly cache: MeshCache; readonly users: Namespace<string> } {
  const cache = new MeshCache({ address, ...withTestTls, deadlineMs: 20_000 });
  clients.push(cache);
  return { cache, users: cache.namespace("users", { codec: text(), ttlMs: 60_000, nearCache: false }) };
}

beforeEach(() => {
  clients = [];
});
afterEach(async () => {
  for (const cache of clients) await cache.close({ graceMs: 0 });
  await proxy[Symbol.asyncDispose]();
  await running.stop();
});

/** Begins a load of "k" and waits until its loader runs. */
async function load(users: Namespace<string>) {
  const source = Promise.withResolvers<string>();
  const running = Promise.withResolvers<void>();
  const loader = (): Promise<string> => {
    running.resolve();
    return source.promise;
  };
  const loaded = users.getOrLoad("k", loader, { hardTimeoutMs: LONG_LOAD_MS });
  await running.promise;
  return { loaded, answer: source.resolve };
}

describe("T3: a lease whose holder's connection is reset", () => {
  it("goes to the next waiter, and the value of the first is returned and not stored", async () => {
    await begin();
    const first = await load(join(proxy.address).users);
    const { users } = join(running.address);
    const next = users.getOrLoad("k", () => "of the second");
    await users.get("another");
    proxy.reset();
    expect(await next).toBe("of the second");
    first.answer("of the first");
    expect(await first.loaded).toBe("of the first");
    expect(await users.get("k")).toEqual({ kind: "hit", value: "of the second" });
  });
});

describe("T3: a lease whose holder's connection has reached its age", () => {
  it("moves with the client to the next stream, and its value is stored", async () => {
    await begin(300);
    const { cache, users } = join(running.address);
    const first = await load(users);
    const { streams } = cache.stats().connection;
    await until(
      async () => cache.stats().connection.streams,
      (count) => count >= streams + 2,
    );
    const other = join(running.address).users;
    let loads = 0;
    const next = other.getOrLoad("k", () => {
      loads += 1;
      return "of the second";
    });
    await other.get("another");
    first.answer("of the first");
    expect([await first.loaded, await next, loads]).toEqual(["of the first", "of the first", 0]);
    expect(cache.stats().loads.loadsUnkept).toBe(0);
  });
});

describe("T3: a lease of a unary call", () => {
  it("outlives its connection and ends by time", async () => {
    await begin();
    const client = running.connect();
    const at = { namespace: "users", key: "k" };
    const granted = await client.unary(CacheService.method.lease, { ...at, leaseMs: 700 });
    expect(granted.outcome.case).toBe("granted");
    client.close();
    const ask = () => running.client.unary(CacheService.method.lease, { ...at, leaseMs: 1_000 });
    expect((await ask()).outcome.case).toBe("held");
    await until(ask, ({ outcome }) => outcome.case === "granted");
  });
});

/** The promises of the client over real sockets: late, sliced, reset and half-open connections, a draining server. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ClientOptions, json, MeshCache, type Namespace } from "../../src/index.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { type RunningServer, startServer, startTwoServers } from "../support/running-server.ts";
import { withTestTls } from "../support/test-tls.ts";
import { testProxy } from "../support/test-workers.ts";
import { until } from "../support/until.ts";

const codec = json<string>();
const LEASE_MS = 600;

describe("A client behind a faulty network", () => {
  let running: RunningServer;
  let proxy: FaultProxy;
  let writing: MeshCache;
  let writer: Namespace<string>;
  let cache: MeshCache;
  let users: Namespace<string>;

  const join = (options: Partial<ClientOptions> = {}): void => {
    cache = new MeshCache({
      address: proxy.address,
      ...withTestTls,
      leaseMs: LEASE_MS,
      pingMs: 50,
      ...options,
    });
    users = cache.namespace("users", { codec });
  };

  beforeEach(async () => {
    running = await startServer();
    proxy = await startFaultProxy(running.address);
    writing = new MeshCache({ address: running.address, ...withTestTls, deadlineMs: 20_000 });
    writer = writing.namespace("users", { codec, nearCache: false });
    await writer.set("k", "v1");
  });

  afterEach(async () => {
    await cache.close({ graceMs: 0 });
    await writing.close({ graceMs: 0 });
    await proxy[Symbol.asyncDispose]();
    await running.stop();
  });

  /** The value and where it came from. */
  const read = async (key = "k"): Promise<string> => {
    const entry = await users.entry(key);
    return `${entry.kind === "hit" ? entry.value : entry.kind} ${entry.source}`;
  };
  /** Reads until the near cache answers, and returns the answer. */
  const settled = (): Promise<string> => until(read, (answer) => answer.endsWith("near"));

  it("reads its own writes and sees those of others after a barrier, with frames cut into single bytes", async () => {
    proxy.faults.sliceBytes = 1;
    join({ deadlineMs: 20_000 });
    expect(await users.get("k")).toEqual({ kind: "hit", value: "v1" });
    for (let round = 0; round < 5; round += 1) {
      await users.set("mine", `${round}`);
      expect(await users.get("mine")).toEqual({ kind: "hit", value: `${round}` });
      await writer.set("k", `theirs ${round}`);
      await cache.sync({ deadlineMs: 20_000 });
      expect(await users.get("k")).toEqual({ kind: "hit", value: `theirs ${round}` });
    }
  });

  it("never reads an older value after a newer one while everything is late", async () => {
    proxy.faults.latencyMs = 20;
    join({ deadlineMs: 20_000 });
    await read();
    let done = false;
    const seen: number[] = [];
    const reading = (async () => {
      while (!done) {
        const outcome = await users.get("n");
        seen.push(outcome.kind === "hit" ? Number(outcome.value) : -1);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let n = 0; n < 100; n += 1) await writer.set("n", `${n}`);
    await until(read.bind(undefined, "n"), (answer) => answer.startsWith("99"));
    done = true;
    await reading;
    expect(seen).toEqual([...seen].sort((left, right) => left - right));
  });

  it("resumes after a reset and misses nothing", async () => {
    join({ deadlineMs: 20_000 });
    expect(await settled()).toBe("v1 near");
    proxy.reset();
    await writer.set("k", "v2");
    await until(read, (answer) => answer.startsWith("v2"));
    expect(cache.stats().connection).toMatchObject({ streams: 2, gaps: 0 });
  });

  it("answers calls that were under way when the connection was reset", async () => {
    proxy.faults.latencyMs = 30;
    join({ deadlineMs: 20_000 });
    await users.get("k");
    const reads = Array.from({ length: 50 }, (_, index) =>
      users.get(`other:${index}`, { maxStalenessMs: 0 }),
    );
    const write = users.set("mine", "once", { when: "absent" });
    await new Promise((resolve) => setTimeout(resolve, 40));
    proxy.reset();
    expect((await Promise.all(reads)).every(({ kind }) => kind === "miss")).toBe(true);
    expect((await write).kind).toBe("stored");
    expect(cache.stats().connection.retries).toBeGreaterThan(0);
  });

  it("trusts a half-open connection for the length of the lease, and then connects again", async () => {
    join();
    expect(await settled()).toBe("v1 near");
    proxy.faults.blackhole = true;
    const cutAt = performance.now();
    await writer.set("k", "v2");
    let lastNearAt = cutAt;
    for (;;) {
      const hits = cache.stats().near.hits;
      users.get("k").catch(() => undefined);
      if (cache.stats().near.hits === hits) break;
      lastNearAt = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(lastNearAt - cutAt).toBeLessThanOrEqual(LEASE_MS);
    proxy.faults.blackhole = false;
    await until(read, (answer) => answer.startsWith("v2"));
  });

  it("fails at once while there is no server, and loads all the same", async () => {
    join({ deadlineMs: 1_000 });
    await users.get("k");
    proxy.target = "127.0.0.1:1";
    proxy.reset();
    await until(
      () => users.get("gone").then(String, (error) => String(error.reason)),
      (reason) => reason === "UNAVAILABLE",
    );
    expect(await users.getOrLoad("gone", () => "loaded")).toBe("loaded");
    await expect(users.getOrLoad("gone", () => "loaded", { failOpen: false })).rejects.toMatchObject({
      reason: "UNAVAILABLE",
    });
    proxy.target = running.address;
    await until(
      () => users.set("k", "back").then((outcome) => outcome.kind, String),
      (kind) => kind === "stored",
    );
  });
});

// Behind proxies the servers are the proxies.
describe.skipIf(testProxy)("A client whose server drains", () => {
  it("moves to the next one before it is cut", async () => {
    const [first, second] = await startTwoServers({}, {});
    const join = (...address: string[]) =>
      new MeshCache({ ...withTestTls, address, leaseMs: LEASE_MS, pingMs: 50 });
    const [writing, cache] = [join(second.address), join(first.address, second.address)];
    const [theirs, users] = [writing.namespace("users", { codec }), cache.namespace("users", { codec })];
    await theirs.set("k", "v1");
    await until(
      () => users.entry("k"),
      ({ source }) => source === "near",
    );
    const failures: unknown[] = [];
    let done = false;
    const calling = (async () => {
      while (!done) {
        await users.get("k", { maxStalenessMs: 0 }).catch((error) => failures.push(error));
        await users.set("mine", "v").catch((error) => failures.push(error));
      }
    })();
    const drained = first.server.drain();
    await until(
      async () => cache.stats().connection.address,
      (address) => address === second.address,
    );
    await drained;
    done = true;
    await calling;
    expect(failures).toEqual([]);
    expect(cache.stats().connection).toMatchObject({ streams: 2, gaps: 0 });
    await theirs.set("k", "v2");
    await cache.sync();
    expect(await users.get("k")).toEqual({ kind: "hit", value: "v2" });
    for (const client of [writing, cache]) await client.close({ graceMs: 0 });
    for (const server of [first, second]) await server.stop();
  });
});

// Behind a proxy the connection that ages is the proxy's.
describe.skipIf(testProxy)("A client whose connection has reached its age", () => {
  it("moves to the next one before it is cut: no call fails and no copy is suspect", async () => {
    const running = await startServer({ transport: { connectionAgeMs: 300, connectionGraceMs: 20_000 } });
    const cache = new MeshCache({ address: running.address, ...withTestTls });
    const users = cache.namespace("users", { codec });
    await users.set("k", "v1");
    while (cache.stats().connection.streams < 3) {
      expect(await users.get("k")).toEqual({ kind: "hit", value: "v1" });
      expect((await users.get("other", { maxStalenessMs: 0 })).kind).toBe("miss");
    }
    expect(cache.stats().connection).toMatchObject({ failures: 0, retries: 0, gaps: 0 });
    expect((await users.entry("k")).source).toBe("near");
    await cache.close();
    await running.stop();
  });
});

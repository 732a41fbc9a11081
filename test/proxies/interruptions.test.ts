/** What proxies do to long streams: timeouts, drain, restart, and a server behind them that is another one. */
import { setTimeout as delay } from "node:timers/promises";
import { credentials, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { type ClientOptions, json, MeshCache, type Namespace } from "../../src/index.ts";
import { createServiceClient, type ServiceClient } from "../../src/rpc/client.ts";
import { freeAddress } from "../support/free-port.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { until } from "../support/until.ts";
import type { Change } from "./configs.ts";
import { PROXY_KINDS, type ProxyKind, programOf } from "./programs.ts";
import { type ProxyOptions, type ProxyProcess, startProxy } from "./proxy.ts";
import { printReport, type TrafficReport, trafficDuring } from "./traffic.ts";

const LEASE_MS = 600;
const numbers = json<number>();
const here = PROXY_KINDS.filter((kind) => programOf(kind) !== undefined);

let undo: AsyncDisposableStack;
let running: RunningServer;
let writer: Namespace<number>;

beforeEach(async () => {
  undo = new AsyncDisposableStack();
  running = await startServer({ listen: await freeAddress() });
  undo.defer(() => running.stop());
  writer = connect(running.address, { nearCache: false }).namespace("n", { codec: numbers });
});
afterEach(() => undo.disposeAsync());

function connect(address: ClientOptions["address"], options: Partial<ClientOptions> = {}): MeshCache {
  const cache = new MeshCache({ address, leaseMs: LEASE_MS, pingMs: 50, backoffMaxMs: 200, ...options });
  undo.defer(async () => {
    await cache.close({ graceMs: 0 });
  });
  return cache;
}

function connectService(address: string): ServiceClient {
  const service = createServiceClient(address, credentials.createInsecure());
  undo.defer(() => service.close());
  return service;
}

async function start(kind: ProxyKind, options: ProxyOptions = {}): Promise<ProxyProcess> {
  return undo.use(await startProxy(kind, running.address, options));
}

/** Traffic through the proxy while `disturb` runs. No answer is older than the lease. */
async function disturbed(
  what: string,
  cache: MeshCache,
  disturb: () => Promise<void>,
): Promise<TrafficReport> {
  const reader = cache.namespace("n", { codec: numbers });
  await writer.set("n", 0);
  await until(
    () => reader.entry("n"),
    ({ source }) => source === "near",
  );
  const report = await trafficDuring(writer, reader, disturb);
  printReport(what, report);
  expect(report.staleMs).toBeLessThanOrEqual(LEASE_MS);
  return report;
}

describe.skipIf(!here.includes("envoy"))("L1: the timeouts of Envoy", () => {
  const ROUTE = "timeout: 0s }";

  it("of a route cuts a Stream, whose request is whole, and no Exchange", async () => {
    const proxy = await start("envoy", { changes: [[ROUTE, "timeout: 1s }"]] });
    const cache = connect(proxy.address);
    const report = await disturbed("envoy, route timeout 1 s", cache, () => delay(3_000));
    expect(report.failedReads).toBe(0);
    expect(cache.stats().connection).toMatchObject({ streams: 1, failures: 0 });
    const service = connectService(proxy.address);
    const stream = service.serverStream(CacheService.method.stream, { namespace: "n" });
    stream.on("data", () => {});
    const error = await new Promise((resolve) => stream.once("error", resolve));
    expect(error).toMatchObject({ code: status.INTERNAL });
  });

  it("of a stream, however busy, cost a new stream each time, and no read fails", async () => {
    const longest = "timeout: 0s, max_stream_duration: { max_stream_duration: 0.5s } }";
    const proxy = await start("envoy", { changes: [[ROUTE, longest]] });
    const cache = connect(proxy.address);
    const report = await disturbed("envoy, max_stream_duration 0.5 s", cache, async () => {
      await until(
        async () => cache.stats().connection.streams,
        (streams) => streams >= 4,
      );
    });
    expect(report.failedReads).toBe(0);
    expect(cache.stats().connection.gaps).toBe(0);
  });
});

/** Its timeouts of a stream that is idle, all of them shorter than the test. */
const SHORT_TIMEOUTS: Readonly<Record<ProxyKind, readonly Change[]>> = {
  envoy: [["stream_idle_timeout: 0s", "stream_idle_timeout: 1s"]],
  nginx: [
    ["client_body_timeout 1h", "client_body_timeout 1s"],
    ["    send_timeout 1h", "    send_timeout 1s"],
    ["grpc_read_timeout 1h", "grpc_read_timeout 1s"],
    ["grpc_send_timeout 1h", "grpc_send_timeout 1s"],
  ],
  haproxy: [
    ["timeout client 1h", "timeout client 1s"],
    ["timeout server 1h", "timeout server 1s"],
  ],
};

describe.each(here)("L1: %s between clients and the server", (kind) => {
  it("is killed and started again: copies are suspect meanwhile, and clients resume", async () => {
    const proxy = await start(kind);
    const cache = connect(proxy.address);
    const report = await disturbed(`${kind}, killed for 1 s`, cache, async () => {
      await delay(300);
      await proxy.kill();
      await delay(1_000);
      await proxy.start();
      await until(
        async () => cache.stats().connection,
        ({ state }) => state === "ready",
      );
      await delay(300);
    });
    expect(report.failedReads).toBeGreaterThan(0);
    expect(cache.stats().connection.gaps).toBe(0);
  });

  // The process that is nginx's is not the one that serves.
  it.skipIf(kind === "nginx")("stands still for 2 s: no answer is older than the lease", async () => {
    const proxy = await start(kind);
    const cache = connect(proxy.address);
    const report = await disturbed(`${kind}, stopped for 2 s`, cache, async () => {
      await delay(300);
      proxy.signal("SIGSTOP");
      await delay(2_000);
      proxy.signal("SIGCONT");
      await until(
        async () => cache.stats().connection,
        ({ state }) => state === "ready",
      );
      await delay(300);
    });
    expect(report.failedReads).toBeGreaterThan(0);
  });

  it("stands before a server that is another one: its clients notice, and keep no copy", async () => {
    const proxy = await start(kind);
    const cache = connect(proxy.address);
    const reader = cache.namespace("n", { codec: numbers });
    await writer.set("n", 1);
    await until(
      () => reader.entry("n"),
      ({ source }) => source === "near",
    );
    await running.server.close();
    const next = await startServer({ listen: running.address });
    undo.defer(() => next.stop());
    const beganAtMs = performance.now();
    const read = () => reader.get("n").catch(() => undefined);
    await until(read, (outcome) => outcome?.kind === "miss");
    console.log(`${kind}, replaced server: noticed in ${(performance.now() - beganAtMs).toFixed(0)} ms`);
    expect(cache.stats().connection.gaps).toBe(1);
  });

  it("stands before a server that drains: calls are answered to its end, and then by the next", async () => {
    const draining = await startServer({ listen: await freeAddress(), transport: { drainMaxMs: 1_000 } });
    undo.defer(() => draining.stop());
    const proxy = undo.use(await startProxy(kind, draining.address));
    const cache = connect(proxy.address);
    const reader = cache.namespace("n", { codec: numbers, nearCache: false });
    await reader.set("n", 1);
    const drained = draining.server.drain();
    expect(await reader.get("n")).toEqual({ kind: "hit", value: 1 });
    await drained;
    const next = await startServer({ listen: draining.address });
    undo.defer(() => next.stop());
    const beganAtMs = performance.now();
    await until(
      () => reader.get("n").catch(() => undefined),
      (outcome) => outcome?.kind === "miss",
    );
    console.log(`${kind}, drained server: the next after ${(performance.now() - beganAtMs).toFixed(0)} ms`);
  });

  it.runIf(kind === "envoy")("drains its listeners: the streams go on", async () => {
    const proxy = await start(kind, { flags: ["--drain-time-s", "1"] });
    const cache = connect(proxy.address);
    const report = await disturbed("envoy, drain_listeners", cache, async () => {
      await fetch(`http://${proxy.admin}/drain_listeners?graceful`, { method: "POST" });
      await delay(3_000);
    });
    expect(report.failedReads).toBe(0);
    expect(cache.stats().connection).toMatchObject({ streams: 1, failures: 0 });
  });

  it.runIf(kind === "envoy")("drains, ends, and another takes its place: no read fails", async () => {
    const first = await start(kind, { flags: ["--drain-time-s", "1"] });
    const second = await start(kind);
    const cache = connect([first.address, second.address]);
    const report = await disturbed("envoy, another takes its place", cache, async () => {
      await fetch(`http://${first.admin}/drain_listeners`, { method: "POST" });
      await delay(500);
      first.signal("SIGTERM");
      await until(
        async () => cache.stats().connection,
        ({ streams }) => streams === 2,
      );
      await delay(300);
    });
    expect(report.failedReads).toBe(0);
    expect(cache.stats().connection.gaps).toBe(0);
  });

  it.runIf(kind === "nginx")("loads its configuration again: clients move before they are cut", async () => {
    const proxy = await start(kind);
    const cache = connect(proxy.address);
    const report = await disturbed("nginx, reload", cache, async () => {
      await delay(300);
      proxy.signal("SIGHUP");
      await until(
        async () => cache.stats().connection,
        ({ streams }) => streams === 2,
      );
      await delay(300);
    });
    expect(report.failedReads).toBe(0);
    expect(cache.stats().connection).toMatchObject({ failures: 0, gaps: 0 });
  });

  it.runIf(kind === "haproxy")("ends softly, and another takes its place: no read fails", async () => {
    const first = await start(kind);
    const second = await start(kind);
    const cache = connect([first.address, second.address]);
    const report = await disturbed("haproxy, soft stop", cache, async () => {
      await delay(300);
      first.signal("SIGUSR1");
      await until(
        async () => cache.stats().connection,
        ({ streams }) => streams === 2,
      );
      await delay(300);
    });
    expect(report.failedReads).toBe(0);
    expect(cache.stats().connection.gaps).toBe(0);
  });

  it("takes no stream for idle while its client pings", async () => {
    const proxy = await start(kind, { changes: SHORT_TIMEOUTS[kind] });
    const cache = connect(proxy.address);
    await cache.namespace("n", { codec: numbers }).get("n");
    await delay(3_000);
    expect(cache.stats().connection).toMatchObject({ state: "ready", streams: 1, failures: 0 });
  });

  it("carries more than any default of a message's size in one stream", async () => {
    const proxy = await start(kind);
    const blobs = connect(proxy.address).namespace("blobs", { codec: json<string>(), nearCache: false });
    const value = "x".repeat(1_000_000);
    for (let n = 0; n < 40; n += 1) await blobs.set(`${n}`, value);
    expect(await blobs.get("39")).toEqual({ kind: "hit", value });
  });

  it.runIf(kind === "nginx")("cuts a stream that has sent more than client_max_body_size", async () => {
    const proxy = await start(kind, { changes: [["client_max_body_size 0", "client_max_body_size 1m"]] });
    const cache = connect(proxy.address);
    const blobs = cache.namespace("blobs", { codec: json<string>(), nearCache: false });
    const value = "x".repeat(100_000);
    const set = async () => {
      await blobs.set("k", value).catch(() => undefined);
      return cache.stats().connection.streams;
    };
    await until(set, (streams) => streams >= 3);
  });
});

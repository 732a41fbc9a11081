/** Many clients through one worker of a proxy, which joins them in few connections to the server. */
import { once } from "node:events";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ExchangeRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { encodeMessage } from "../../src/codec/messages.ts";
import { json, MeshCache } from "../../src/index.ts";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.ts";
import { connectRaw, framed } from "../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { until } from "../support/until.ts";
import { PROXY_KINDS, type ProxyKind, programOf } from "./programs.ts";
import { type ProxyProcess, startProxy } from "./proxy.ts";

const CLIENTS = 300;
/** To the server, as docs/proxies.md says. */
const CONNECTIONS: Readonly<Record<ProxyKind, number>> = { envoy: 2, nginx: CLIENTS, haproxy: CLIENTS };
const codec = json<string>();

describe.each(PROXY_KINDS)("L1: %s with one worker", (kind) => {
  let running: RunningServer;
  /** Counts the connections that the proxy makes. */
  let upstream: FaultProxy;
  let proxy: ProxyProcess;

  describe.skipIf(programOf(kind) === undefined)("is here, and", () => {
    beforeAll(async () => {
      running = await startServer();
      upstream = await startFaultProxy(running.address);
      proxy = await startProxy(kind, upstream.address);
    });
    afterAll(async () => {
      await proxy[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      await running.stop();
    });

    it(`carries ${CLIENTS} clients, and events to all of them`, async () => {
      const writing = new MeshCache({ address: running.address });
      const writer = writing.namespace("users", { codec, nearCache: false });
      await writer.set("k", "v1");
      const beganAtMs = performance.now();
      const caches = Array.from({ length: CLIENTS }, () => new MeshCache({ address: proxy.address }));
      const readers = caches.map((cache) => cache.namespace("users", { codec }));
      const readAll = () => Promise.all(readers.map((reader) => reader.entry("k", { deadlineMs: 30_000 })));
      await until(readAll, (entries) => entries.every(({ source }) => source === "near"));
      const readyMs = performance.now() - beganAtMs;

      await writer.set("k", "v2");
      const writtenAtMs = performance.now();
      await until(readAll, (entries) =>
        entries.every((entry) => entry.kind === "hit" && entry.value === "v2" && entry.source === "near"),
      );
      const toldMs = performance.now() - writtenAtMs;
      expect(caches.filter((cache) => cache.stats().connection.failures > 0)).toHaveLength(0);
      expect(upstream.connections).toBe(CONNECTIONS[kind]);
      console.log(
        `${kind}: ${CLIENTS} clients ready in ${readyMs.toFixed(0)} ms over ${upstream.connections} connections; all read a new value after ${toldMs.toFixed(0)} ms`,
      );
      await Promise.all([writing, ...caches].map((cache) => cache.close({ graceMs: 0 })));
    });
  });
});

describe.skipIf(programOf("envoy") === undefined)(
  "clients of an Envoy that opens too many streams at first",
  () => {
    it("are all ready in the end, although the server refuses some", async () => {
      const running = await startServer();
      const proxy = await startProxy("envoy", running.address, {
        changes: [["              max_concurrent_streams: 256\n", ""]],
      });
      const caches = Array.from({ length: CLIENTS }, () => new MeshCache({ address: proxy.address }));
      const isReady = async (cache: MeshCache) =>
        (await cache
          .namespace("users", { codec })
          .get("k")
          .catch(() => undefined)) !== undefined;
      const readyCount = async () => (await Promise.all(caches.map(isReady))).filter(Boolean).length;
      await until(readyCount, (count) => count === CLIENTS);
      const refused = caches.filter((cache) => cache.stats().connection.failures > 0).length;
      console.log(
        `envoy without max_concurrent_streams: ${refused} of ${CLIENTS} clients were refused at first`,
      );
      await Promise.all(caches.map((cache) => cache.close({ graceMs: 0 })));
      await proxy[Symbol.asyncDispose]();
      await running.stop();
    });
  },
);

describe.skipIf(programOf("envoy") === undefined)("a client behind Envoy that reads nothing", () => {
  it("does not stop the others of its connection", async () => {
    const running = await startServer({ transport: { stallMaxMs: 60_000 } });
    const proxy = await startProxy("envoy", running.address);
    const cache = new MeshCache({ address: proxy.address, nearCache: false });
    const users = cache.namespace("users", { codec });
    await cache.namespace("large", { codec }).set("k", "x".repeat(1_000_000));
    const stalled = await Promise.all(Array.from({ length: 8 }, () => openUnread(proxy.address)));
    // Until the server sends nothing more: what is read was taken by the proxy.
    let before = -1;
    while (running.server.store.counters.hits !== before) {
      before = running.server.store.counters.hits;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const beganAtMs = performance.now();
    for (let n = 0; n < 100; n += 1) {
      await users.set("k", `${n}`);
      expect(await users.get("k")).toEqual({ kind: "hit", value: `${n}` });
    }
    console.log(
      `envoy: 100 writes and reads beside 8 stalled clients: ${(performance.now() - beganAtMs).toFixed(0)} ms`,
    );
    for (const { close } of stalled) close();
    await cache.close({ graceMs: 0 });
    await proxy[Symbol.asyncDispose]();
    await running.stop();
  });
});

/** An Exchange that asks for 64 MB of values and reads nothing but its headers. */
async function openUnread(address: string) {
  const raw = await connectRaw(address, { settings: { initialWindowSize: 0 } });
  const stream = raw.open("/meshcache.v1.CacheService/Exchange");
  const send = (request: MessageInitShape<typeof ExchangeRequestSchema>) =>
    stream.write(framed(encodeMessage(ExchangeRequestSchema, create(ExchangeRequestSchema, request))));
  send({ id: 1n, frame: { case: "open", value: {} } });
  const get = { case: "get" as const, value: { namespace: "large", key: "k" } };
  for (let id = 2n; id <= 65n; id += 1n) {
    send({ id, frame: { case: "batch", value: { operations: [{ operation: get }] } } });
  }
  await once(stream, "response");
  return raw;
}

/** How calls end: deadlines, cancels and connections, and that nothing is left of them. */
import { once } from "node:events";
import { constants } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { AdminService } from "../../../gen/meshcache/v1/admin_pb.ts";
import { CacheService, GetRequestSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { createCacheServer } from "../../../src/server/server.ts";
import { createServerThreads } from "../../../src/server/workers/index.ts";
import { eventually } from "../../support/eventually.ts";
import { connectRaw, framed } from "../../support/raw-grpc.ts";
import { connectSocket } from "../../support/raw-http2.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

const { method } = CacheService;
const at = { namespace: "n", key: "k" };
let running: RunningServer | undefined;

afterEach(() => running?.stop());

describe("a unary call", () => {
  it("without a deadline ends after callMaxMs with DEADLINE, and leaves no waiter behind", async () => {
    running = await startServer({ transport: { callMaxMs: 300 } });
    const { client, server } = running;
    await client.unary(method.lease, { ...at, leaseMs: 60_000 });
    const waiting = client.unary(method.lease, { ...at, waitMs: 30_000 });
    await expect(waiting).rejects.toMatchObject({ reason: "DEADLINE" });
    await client.unary(method.set, { ...at, value: Buffer.from("v") });
    expect(server.backend.counters.leasesShared).toBe(0);
  });

  it("ends at its own deadline when that is shorter", async () => {
    running = await startServer();
    const { client } = running;
    await client.unary(method.lease, at);
    const waiting = client.unary(method.lease, { ...at, waitMs: 30_000 }, { timeoutMs: 100 });
    await expect(waiting).rejects.toMatchObject({ reason: "DEADLINE" });
  });

  it("waits no longer when its caller cancels it", async () => {
    running = await startServer();
    const { client, server } = running;
    await client.unary(method.lease, at);
    const abort = new AbortController();
    const waiting = client.unary(method.lease, { ...at, waitMs: 30_000 }, { signal: abort.signal });
    const other = client.unary(method.lease, { ...at, waitMs: 30_000 });
    // Both wait once a later call on the same connection was answered.
    await client.unary(method.get, at);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ reason: "CANCELLED" });
    await client.unary(method.get, at);
    await client.unary(method.set, { ...at, value: Buffer.from("v") });
    expect((await other).outcome.case).toBe("hit");
    expect(server.backend.counters.leasesShared).toBe(1);
  });

  it("gives its client id to the events it causes", async () => {
    running = await startServer();
    const { client } = running;
    const stream = client.serverStream(method.stream, { namespace: "n" });
    const metadata = new Metadata();
    metadata.set("meshcache-client-id", "writer-1");
    for await (const { frame } of stream) {
      if (frame.case === "progress") await client.unary(method.set, at, { metadata });
      if (frame.case !== "events") continue;
      expect(frame.value.events).toMatchObject([{ origin: "writer-1" }]);
      break;
    }
  });
});

describe("a call that ends while its answer is not taken", () => {
  it("is cut nevertheless", async () => {
    running = await startServer({ transport: { callMaxMs: 700, stallMaxMs: 1_500 } });
    const { client, address } = running;
    await client.unary(method.set, { ...at, value: new Uint8Array(1 << 20) });
    const raw = await connectRaw(address, { settings: { initialWindowSize: 0 } });
    const get = framed(toBinary(GetRequestSchema, create(GetRequestSchema, at)));
    // It ends with DEADLINE first, and that status waits behind the answer.
    expect(await raw.call("/meshcache.v1.CacheService/Get", get)).toMatchObject({
      resetCode: constants.NGHTTP2_ENHANCE_YOUR_CALM,
      grpcStatus: undefined,
    });
    raw.close();
  });
});

describe("streams that come and go", () => {
  it("leave nothing behind", async () => {
    running = await startServer();
    const { client } = running;
    const stats = () => client.unary(AdminService.method.stats, {});
    for (let cycle = 0; cycle < 40; cycle++) {
      const opened = Array.from({ length: 8 }, () => client.serverStream(method.stream, { namespace: "n" }));
      const exchanges = Array.from({ length: 8 }, () => client.bidi(method.exchange));
      for (const call of exchanges) {
        call.on("error", () => {});
        call.cancel();
      }
      for (const call of opened) {
        call.on("error", () => {});
        await once(call, "data");
        call.cancel();
      }
      await eventually(async () => expect((await stats()).subscribers).toBe(0n));
    }
  });
});

describe("a connection", () => {
  it("is closed when it has been idle for long enough", async () => {
    running = await startServer({ transport: { connectionIdleMs: 200 } });
    const { closed } = await connectRaw(running.address);
    await closed;
  });

  it("is closed at its age, after its calls", async () => {
    running = await startServer({ transport: { connectionAgeMs: 100, connectionGraceMs: 100 } });
    const { closed, open } = await connectRaw(running.address);
    open("/meshcache.v1.CacheService/Exchange");
    await closed;
  });

  it("that answers no keepalive is closed, and one that does is not", async () => {
    running = await startServer({ transport: { keepaliveTimeMs: 150, keepaliveTimeoutMs: 150 } });
    const alive = await connectRaw(running.address);
    const { closed } = await connectSocket(running.port, true);
    await closed;
    expect(alive.session.closed).toBe(false);
    alive.close();
  });

  it("is not read while it does not read the answers of reflection", async () => {
    running = await startServer({ transport: { stallMaxMs: 500 } });
    const { address } = running;
    const raw = await connectRaw(address, { settings: { initialWindowSize: 0 } });
    const stream = raw.open("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    const cut = new Promise((resolve) => stream.once("close", resolve));
    // list_services: "*"
    const ask = framed(Buffer.from([0x3a, 0x01, 0x2a]));
    let taken = 0;
    for (let n = 0; n < 200 && !stream.destroyed; n++) {
      stream.write(Buffer.concat(Array(1_000).fill(ask)), () => {
        taken += 1;
      });
    }
    await cut;
    expect(taken).toBeLessThan(200);
    raw.close();
  });

  it("keeps its other calls when one of them is refused", async () => {
    running = await startServer();
    const raw = await connectRaw(running.address);
    const get = framed(toBinary(GetRequestSchema, create(GetRequestSchema, at)));
    const path = "/meshcache.v1.CacheService/Get";
    const answers = await Promise.all([
      raw.call(path, get),
      raw.call(path, framed(Buffer.from([0xff]))),
      raw.call(path, get),
    ]);
    expect(answers.map(({ grpcStatus }) => grpcStatus)).toEqual([0, 3, 0]);
    raw.close();
  });
});

describe("start()", () => {
  it("refuses an address that is no HOST:PORT, naming the option", async () => {
    await expect(startServer({ listen: "localhost" })).rejects.toThrow(/^listen must be HOST:PORT/);
  });

  it("rejects when the address is taken", async () => {
    running = await startServer();
    await expect(startServer({ listen: running.address })).rejects.toThrow(/EADDRINUSE/);
  });
});

describe("resolveTransportLimits()", () => {
  it("refuses a limit out of its range, naming it", () => {
    expect(() => resolveTransportLimits({ connectionsMax: 0 })).toThrow(/connectionsMax/);
  });

  it("is followed by a check that the largest request has room, by the server and by its threads", () => {
    const options = { transport: { connectionMaxHeldBytes: 2 ** 20 } };
    const refusal = "receiveMaxBytes (2621440) must not exceed connectionMaxHeldBytes (1048576)";
    expect(() => createCacheServer(options)).toThrow(refusal);
    expect(() => createServerThreads({ ...options, workers: 2 })).toThrow(refusal);
  });
});

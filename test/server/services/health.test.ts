/** grpc.health.v1: what each method answers, and that nothing is left of its callers. */
import { once } from "node:events";
import { constants } from "node:http2";
import { type ClientReadableStream, credentials, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import {
  Health,
  type HealthCheckRequest,
  HealthCheckRequestSchema,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import { encodeMessage } from "../../../src/codec/messages.ts";
import { createServiceClient, type ServiceClient } from "../../../src/rpc/client.ts";
import { serverStream } from "../../../src/server/calls/handler.ts";
import { createProcessBounds } from "../../../src/server/limits/quotas.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { createCacheServer } from "../../../src/server/server.ts";
import { createHealthHandlers } from "../../../src/server/services/health.ts";
import { eventually } from "../../support/eventually.ts";
import { connectRaw, framed } from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { serveHandlers } from "../../support/served-handlers.ts";

const { method } = Health;
const SERVICES = [
  "",
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "meshcache.v1.AdminService",
  "meshcache.v1.CacheService",
];
const LARGE_NAME = "x".repeat(64 * 1024);
let running: RunningServer | undefined;
let cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  await running?.stop();
  running = undefined;
  for (const clean of cleanUp.reverse()) await clean();
  cleanUp = [];
});

function watch(client: ServiceClient, service: string) {
  const call = client.serverStream(method.watch, { service });
  const error = once(call, "error").then(([cause]) => cause);
  return { call, error, next: () => nextStatus(call) };
}

async function nextStatus(call: ClientReadableStream<HealthCheckResponse>) {
  const [response] = await once(call, "data");
  return response.status;
}

/** A server whose watchers can be counted. */
async function startCounted() {
  const bounds = createProcessBounds(resolveTransportLimits());
  const place = { bounds, startedMs: 0, sharesPort: false, alone: true, worker: 0, workers: 1 };
  const server = createCacheServer({ listen: "127.0.0.1:0" }, place);
  cleanUp.push(() => server.close());
  return { bounds, address: await server.start() };
}

describe("Health/Check", () => {
  it("of the server and of each of its services is SERVING", async () => {
    running = await startServer();
    for (const service of SERVICES) {
      expect(await running.client.unary(method.check, { service })).toMatchObject({
        status: ServingStatus.SERVING,
      });
    }
  });

  it("of an unknown name is NOT_FOUND, and does not repeat it", async () => {
    running = await startServer();
    await expect(running.client.unary(method.check, { service: "canary" })).rejects.toMatchObject({
      message: "unknown service",
      cause: { code: status.NOT_FOUND },
    });
  });
});

describe("Health/List", () => {
  it("names the server and each of its services", async () => {
    running = await startServer();
    const { statuses } = await running.client.unary(method.list, {});
    expect(Object.keys(statuses).sort()).toEqual(SERVICES);
    for (const each of Object.values(statuses)) expect(each.status).toBe(ServingStatus.SERVING);
  });
});

describe("Health/Watch", () => {
  it("tells the status at once and when the drain begins, and ends with the drain", async () => {
    running = await startServer({ transport: { drainMaxMs: 1_000 } });
    const { client, server } = running;
    const known = SERVICES.map((service) => watch(client, service));
    for (const { next } of known) expect(await next()).toBe(ServingStatus.SERVING);
    const unknown = watch(client, "unknown");
    expect(await unknown.next()).toBe(ServingStatus.SERVICE_UNKNOWN);
    const further: unknown[] = [];
    unknown.call.on("data", (response) => further.push(response));

    const changed = Promise.all(known.map(({ next }) => next()));
    const drained = server.drain();
    expect(await changed).toEqual(known.map(() => ServingStatus.NOT_SERVING));
    const late = watch(client, "");
    expect(await late.next()).toBe(ServingStatus.NOT_SERVING);
    for (const { error } of [...known, unknown, late]) {
      expect(await error).toMatchObject({ code: status.UNAVAILABLE });
    }
    expect(further).toEqual([]);
    await drained;
  });

  it("counts among the streams of its connection", async () => {
    running = await startServer({ transport: { connectionMaxSubscriptions: 2 } });
    const { client } = running;
    for (const service of ["", "unknown"]) await watch(client, service).next();
    expect(await watch(client, "").error).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: "streams is limited to 2",
    });
  });

  it("may be open as many times as there may be connections, of which one connection does not take the last ones", async () => {
    running = await startServer({ transport: { connectionsMax: 8 } });
    const { client, connect } = running;
    const greedy = Array.from({ length: 4 }, () => watch(client, "unknown"));
    for (const { next } of greedy) await next();
    expect(await watch(client, "").error).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      details: "watchers is limited to 4",
    });
    const others = Array.from({ length: 3 }, () => watch(connect(), ""));
    for (const { next } of others) expect(await next()).toBe(ServingStatus.SERVING);
    for (const { call } of [...others, ...greedy.slice(1)]) call.cancel();
    await eventually(async () => {
      const again = watch(client, "");
      expect(await Promise.race([again.next(), again.error])).toBe(ServingStatus.SERVING);
    });
  });
});

describe("A2: Health/Watch of unknown names", () => {
  it("leaves nothing behind after thousands of cancelled calls", async () => {
    const { address, bounds } = await startCounted();
    // A connection that resets some 1,000 streams in a row is closed: hence 900 on each.
    for (let connection = 0; connection < 3; connection++) {
      const client = createServiceClient(address, credentials.createInsecure(), {
        "grpc.use_local_subchannel_pool": 1,
      });
      for (let round = 0; round < 75; round++) {
        const calls = Array.from({ length: 12 }, (_, n) => watch(client, `${round}-${n}-${LARGE_NAME}`));
        for (const { next } of calls) expect(await next()).toBe(ServingStatus.SERVICE_UNKNOWN);
        expect(bounds.watchers.taken).toBe(calls.length);
        for (const { call, error } of calls) {
          call.cancel();
          expect(await error).toMatchObject({ code: status.CANCELLED });
        }
        await eventually(() => expect(bounds.watchers.taken).toBe(0), 1);
      }
      expect(bounds.connections.taken).toBe(1);
      client.close();
      await eventually(() => expect(bounds.connections.taken).toBe(0), 1);
    }
  });

  it("leaves nothing behind after calls that are reset as soon as their requests are whole", async () => {
    const { address, bounds } = await startCounted();
    const raw = await connectRaw(address);
    cleanUp.push(raw.close);
    const request = framed(
      encodeMessage(HealthCheckRequestSchema, {
        $typeName: "grpc.health.v1.HealthCheckRequest",
        service: "u",
      }),
    );
    for (let n = 0; n < 900; n++) {
      const stream = raw.open("/grpc.health.v1.Health/Watch");
      stream.end(request, () => stream.close(constants.NGHTTP2_CANCEL));
      await once(stream, "close");
    }
    // This call comes behind them on the connection, so they were handled before it.
    expect((await raw.call("/grpc.health.v1.Health/Check", framed(Buffer.alloc(0)))).grpcStatus).toBe(0);
    await eventually(() => expect(bounds.watchers.taken).toBe(0));
  });

  it("does not let grpc-js keep the name while the call is open, and leaves the drain no stream", async () => {
    const kept: { readonly service: string }[] = [];
    const { address, bounds, streams, stop } = await serveHandlers(Health, ({ bounds, ...deps }) => {
      const handlers = createHealthHandlers({ ...deps, watchers: bounds.watchers, services: [] });
      const watch = serverStream<HealthCheckRequest>((call, request, context) => {
        kept.push(request);
        return handlers.watch.open(call, request, context);
      });
      return { ...handlers, watch };
    });
    const client = createServiceClient(address, credentials.createInsecure());
    cleanUp.push(stop, client.close);
    const { call, next, error } = watch(client, LARGE_NAME);
    expect(await next()).toBe(ServingStatus.SERVICE_UNKNOWN);
    expect(kept.map(({ service }) => service)).toEqual([""]);
    expect([bounds.watchers.taken, streams.open.size]).toEqual([1, 1]);
    call.cancel();
    await error;
    await eventually(() => expect([bounds.watchers.taken, streams.open.size]).toEqual([0, 0]));
  });
});

/**
 * The setting `acceleration`: that grpc-js serves everything when it is off, and that a client sees no other difference
 * than the ones named here. The suites of the project "grpc-js alone" hold the answers to be the same.
 */
import type { IncomingHttpHeaders } from "node:http2";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  ExchangeRequestSchema,
  GetRequestSchema,
  LeaseRequestSchema,
  StreamRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Acceleration } from "../../../src/server/index.ts";
import {
  answerOf,
  connectRaw,
  connectSingleStream,
  framed,
  type RawConnection,
} from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

const at = { namespace: "n", key: "k" };
const request = <Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Buffer =>
  framed(toBinary(schema, create(schema, message)));
const calls: readonly (readonly [method: string, body: Buffer])[] = [
  ["Get", request(GetRequestSchema, at)],
  ["Lease", request(LeaseRequestSchema, at)],
  ["Batch", request(BatchRequestSchema, { operations: [{ operation: { case: "get", value: at } }] })],
  ["Stream", request(StreamRequestSchema, { namespace: "n" })],
  ["Exchange", request(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } })],
];

let running: RunningServer | undefined;
let connection: RawConnection | undefined;
afterEach(async () => {
  connection?.close();
  await running?.stop();
});

async function start(acceleration: Acceleration): Promise<string> {
  running = await startServer({ acceleration });
  return running.address;
}

/** grpc-js names the encoding of its messages in the headers, and the accelerator does not. */
async function isServedByGrpcJs(on: RawConnection, method: string, body: Buffer): Promise<boolean> {
  const stream = on.open(`/meshcache.v1.CacheService/${method}`);
  stream.end(body);
  const headers = await new Promise<IncomingHttpHeaders>((resolve) => stream.once("response", resolve));
  stream.close();
  return headers["grpc-encoding"] !== undefined;
}

describe.each(["on", "off"] as const)("acceleration %s", (acceleration) => {
  const isOff = acceleration === "off";

  it.each(calls)("decides who serves %s", async (method, body) => {
    connection = await connectRaw(await start(acceleration));
    expect(await isServedByGrpcJs(connection, method, body)).toBe(isOff);
  });

  it.each(calls.slice(-2))(
    "decides who serves %s on a connection that announces a single stream",
    async (method, body) => {
      connection = await connectSingleStream(await start(acceleration));
      expect(await isServedByGrpcJs(connection, method, body)).toBe(isOff);
    },
  );

  it("is passed on to worker threads", async () => {
    running = await startServer({ acceleration, workers: 2 });
    connection = await connectSingleStream(running.address);
    expect(connection.session.remoteSettings.maxConcurrentStreams).toBe(isOff ? 256 : 1);
  });

  it("leaves the methods of other services to grpc-js", async () => {
    connection = await connectRaw(await start(acceleration));
    const { grpcStatus } = await connection.call("/grpc.health.v1.Health/Check", framed(Buffer.alloc(0)));
    expect(grpcStatus).toBe(status.OK);
  });

  // The accelerator has no second stream on such a connection, and no method beside those of CacheService.
  it("decides what a connection that announces a single stream may carry", async () => {
    connection = await connectSingleStream(await start(acceleration));
    expect(connection.session.remoteSettings.maxConcurrentStreams).toBe(isOff ? 256 : 1);
    const health = connection.open("/grpc.health.v1.Health/Check");
    health.end(framed(Buffer.alloc(0)));
    expect((await answerOf(health)).grpcStatus).toBe(isOff ? status.OK : status.UNIMPLEMENTED);
  });

  // grpc-js has a timer for each deadline; the accelerator looks at all of them every 250 ms.
  it("ends a call that waits at its deadline, or at most one sweep later", async () => {
    connection = await connectRaw(await start(acceleration));
    const [, lease] = calls[1] ?? [];
    await connection.call("/meshcache.v1.CacheService/Lease", lease ?? Buffer.alloc(0));
    const waiting = connection.open("/meshcache.v1.CacheService/Lease", { "grpc-timeout": "50m" });
    waiting.end(request(LeaseRequestSchema, { ...at, waitMs: 30_000 }));
    expect(await answerOf(waiting)).toMatchObject({
      grpcStatus: status.DEADLINE_EXCEEDED,
      reason: "DEADLINE",
    });
  });
});

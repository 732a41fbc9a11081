/** Each bound that is reached is counted under its name. */
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  CacheService,
  ExchangeRequestSchema,
  GetRequestSchema,
  LeaseRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { GrpcFrame } from "../../../src/codec/framing/grpc-frame.ts";
import { encodeMessage, methodPath } from "../../../src/codec/messages.ts";
import { MemoryAccount } from "../../../src/server/limits/memory-account.ts";
import { createHeldTotal } from "../../../src/server/limits/quotas.ts";
import { resolveTransportLimits, type TransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { createSendQueue, type QueueBound } from "../../../src/server/streams/send-queue.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import type { ThreadObservation } from "../../../src/telemetry/telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { connectRaw, framed } from "../../support/raw-grpc.ts";
import { connectSocket } from "../../support/raw-http2.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { until } from "../../support/until.ts";

const { method } = CacheService;
const encode = <Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Buffer =>
  framed(encodeMessage(schema, create(schema, message)));
const untilTrue = (ask: () => boolean) => until(async () => ask(), Boolean);

let running: RunningServer | undefined;
let observed: ThreadObservation;
const start = async (transport: Partial<TransportLimits> = {}): Promise<RunningServer> => {
  running = await startServer({
    transport,
    telemetry: {
      ...createNoTelemetry(),
      observeThread: (thread) => {
        observed = thread;
        return () => {};
      },
    },
  });
  return running;
};
afterEach(() => running?.stop());

describe("a server", () => {
  it("counts the connections that it closes at once beyond connectionsMax", async () => {
    const { port } = await start({ connectionsMax: 1 });
    const first = await connectSocket(port);
    await (await connectSocket(port, false)).closed;
    expect(observed.refusedConnections()).toBe(1);
    first.socket.destroy();
  });

  it("counts the connections that it cuts after drainMaxMs", async () => {
    const { server, address } = await start({ drainMaxMs: 20 });
    const raw = await connectRaw(address);
    const lease = { namespace: "n", key: "k", leaseMs: 60_000 };
    await raw.call(methodPath(method.lease), encode(LeaseRequestSchema, lease));
    raw.open(methodPath(method.lease)).end(encode(LeaseRequestSchema, { ...lease, waitMs: 30_000 }));
    await raw.call(methodPath(method.get), encode(GetRequestSchema, { namespace: "n", key: "k" }));
    await server.drain();
    await raw.closed;
    expect(observed.drainCuts()).toBe(1);
  });

  it("counts the errors of operations of a Batch by their reason", async () => {
    const { address } = await start();
    const raw = await connectRaw(address);
    const operations = [{}, { operation: { case: "get" as const, value: { namespace: "n", key: "k" } } }];
    await raw.call(methodPath(method.batch), encode(BatchRequestSchema, { operations }));
    expect(observed.refusedOperations()).toEqual({ FIELD_INVALID: 1 });
    raw.close();
  });

  it("counts the frames of an Exchange that it refuses by their reason", async () => {
    const { address } = await start();
    const raw = await connectRaw(address);
    const stream = raw.open(methodPath(method.exchange));
    stream.resume();
    stream.write(encode(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } }));
    stream.write(encode(ExchangeRequestSchema, { id: 2n, frame: { case: "ping", value: { nonce: 0n } } }));
    await untilTrue(() => observed.refusedOperations().FIELD_INVALID === 1);
    raw.close();
  });
});

describe("a queue of frames", () => {
  const MAX = 100;
  const frame = () => new GrpcFrame(Buffer.alloc(MAX));

  it.each<[QueueBound, boolean, number]>([
    ["stream", false, MAX],
    ["process", true, 10 * MAX],
  ])("says that the bound of the %s was full", (bound, spent, maxBytes) => {
    const account = new MemoryAccount(resolveTransportLimits(), createHeldTotal(), loudBoundary);
    const overflows: QueueBound[] = [];
    const call = { open: true, connectionMemory: account.of(undefined), send: () => {} };
    const queue = createSendQueue(
      call,
      maxBytes,
      { spent, add: () => {} },
      () => {},
      (full) => overflows.push(full),
    );
    queue.send(frame());
    expect(overflows).toEqual([bound]);
  });

  it("says that the memory of its connection was full", () => {
    const heldBytes = 2 ** 20;
    const limits = { connectionMaxHeldBytes: heldBytes, heldMaxBytes: 100 * heldBytes };
    const memory = new MemoryAccount(limits, createHeldTotal(), loudBoundary).of(undefined);
    memory.addAnswer(heldBytes);
    const overflows: QueueBound[] = [];
    const call = { open: true, connectionMemory: memory, send: () => {} };
    const budget = { spent: false, add: () => {} };
    const queue = createSendQueue(
      call,
      MAX,
      budget,
      () => {},
      (full) => overflows.push(full),
    );
    expect(queue.ready()).toBe(false);
    expect(overflows).toEqual(["connection"]);
  });
});

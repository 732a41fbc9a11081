/** What peers can make a server hold, by each kind of call, with and without the accelerator. */
import { type ClientHttp2Stream, constants } from "node:http2";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  BatchResponseSchema,
  CacheService,
  ExchangeRequestSchema,
  GetRequestSchema,
  LeaseRequestSchema,
  LeaseResponseSchema,
  SetRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeMessage, encodeMessage, methodPath } from "../../../src/codec/messages.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import type { ProcessObservation, Telemetry, ThreadObservation } from "../../../src/telemetry/telemetry.ts";
import {
  answerOf,
  connectRaw,
  connectSingleStream,
  framed,
  type RawAnswer,
  type RawConnection,
  unframed,
} from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { until } from "../../support/until.ts";

const { method } = CacheService;
const MIB = 2 ** 20;
const CONNECTION_MAX = 4 * MIB;
const namespace = "n";
const value = new Uint8Array(MIB);

const encode = <Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Buffer =>
  framed(encodeMessage(schema, create(schema, message)));
const get = encode(GetRequestSchema, { namespace, key: "k" });
const set = encode(SetRequestSchema, { namespace, key: "new", value });
const lease = (key: string, waitMs: number) =>
  encode(LeaseRequestSchema, { namespace, key, waitMs, leaseMs: 30_000 });
const getOperation = { operation: { case: "get" as const, value: { namespace, key: "k" } } };

let running: RunningServer;
let observed: ProcessObservation & ThreadObservation;
let opened: RawConnection[];

const untilTrue = (ask: () => boolean) => until(async () => ask(), Boolean);
const heldBytes = () => observed.heldBytes();
const connect = async (windowBytes: number): Promise<RawConnection> => {
  const raw = await connectRaw(running.address, { settings: { initialWindowSize: windowBytes } });
  opened.push(raw);
  return raw;
};
const start = async (acceleration: "on" | "off", halfCloseMaxMs = 10_000): Promise<void> => {
  let process: ProcessObservation | undefined;
  let thread: ThreadObservation | undefined;
  const telemetry: Telemetry = {
    ...createNoTelemetry(),
    observeProcess: (_store, observation) => {
      process = observation;
      return () => {};
    },
    observeThread: (observation) => {
      thread = observation;
      return () => {};
    },
  };
  running = await startServer({
    acceleration,
    telemetry,
    transport: { connectionMaxHeldBytes: CONNECTION_MAX, heldMaxBytes: 16 * MIB, halfCloseMaxMs },
  });
  if (process === undefined || thread === undefined) throw new Error("the server is not observed");
  observed = { ...process, ...thread };
  await running.client.unary(method.set, { namespace, key: "k", value });
};
const open = (raw: RawConnection, path: string, body: Uint8Array): ClientHttp2Stream => {
  const stream = raw.open(path);
  stream.end(body);
  return stream;
};
const served = async () => {
  const { outcome } = await running.connect().unary(method.get, { namespace, key: "k" });
  expect(outcome.case).toBe("hit");
};

describe.each(["on", "off"] as const)("A3: with the accelerator %s, the account", (acceleration) => {
  beforeEach(async () => {
    opened = [];
    await start(acceleration);
  });
  afterEach(async () => {
    for (const raw of opened) raw.close();
    await untilTrue(() => heldBytes() === 0);
    await running.stop();
  });

  it("bounds Gets that nobody reads, and another connection is served", async () => {
    const raw = await connect(0);
    for (let call = 0; call < 64; call++) open(raw, methodPath(method.get), get);
    await untilTrue(() => heldBytes() >= CONNECTION_MAX);
    await served();
    expect(heldBytes()).toBeLessThan(CONNECTION_MAX + 2 * MIB);
    expect(running.server.store.counters.hits).toBeLessThan(8);
    expect(observed.memoryRefusals()).toBe(0);
  });

  it("lets a client that reads have every answer, however many it asks for at once", async () => {
    const raw = await connect(64 * 1024);
    const calls = Array.from({ length: 64 }, () => raw.call(methodPath(method.get), get));
    for (const { grpcStatus, body } of await Promise.all(calls)) {
      expect([grpcStatus, body.length > MIB]).toEqual([status.OK, true]);
    }
    expect(observed.memoryRefusals()).toBe(0);
  });

  it("refuses Sets that never end beyond the bound of their connection", async () => {
    const raw = await connect(64 * 1024);
    const answers: RawAnswer[] = [];
    for (let call = 0; call < 16; call++) {
      const stream = raw.open(methodPath(method.set));
      stream.write(set.subarray(0, set.length - 1));
      void answerOf(stream).then((answer) => answers.push(answer));
    }
    await untilTrue(() => answers.some(({ reason }) => reason === "LIMIT_EXCEEDED"));
    expect(observed.memoryRefusals()).toBeGreaterThan(0);
    expect(heldBytes()).toBeLessThan(CONNECTION_MAX + 2 * MIB);
    await served();
    expect(answers.map(({ grpcStatus }) => grpcStatus)).not.toContain(status.OK);
  });

  it("answers a batch that holds results at once, without waiting for its lease", async () => {
    const raw = await connect(4 * MIB);
    await raw.call(methodPath(method.lease), lease("held", 0));
    const wait = { operation: { case: "lease" as const, value: { namespace, key: "held", waitMs: 10_000 } } };
    const body = encode(BatchRequestSchema, { operations: [getOperation, wait] });
    const answer = await raw.call(methodPath(method.batch), body);
    const { results } = decodeMessage(BatchResponseSchema, unframed(answer.body)[0] ?? new Uint8Array());
    expect(results.map(({ result }) => result.case)).toEqual(["get", "lease"]);
    const leased = results[1]?.result;
    expect(leased?.case === "lease" && leased.value.outcome.case).toBe("held");
  });

  it("gives waiters for a fill `held` when their connection has no memory left for the value", async () => {
    const raw = await connect(0);
    const granted = await running.client.unary(method.lease, { namespace, key: "f", leaseMs: 30_000 });
    if (granted.outcome.case !== "granted") throw new Error("the lease was not granted");
    const streams = Array.from({ length: 16 }, () => open(raw, methodPath(method.lease), lease("f", 20_000)));
    // A call behind them has its answer when they wait.
    await raw.call(methodPath(method.get), encode(GetRequestSchema, { namespace: "!", key: "k" }));
    const { token } = granted.outcome.value;
    await running.client.unary(method.set, {
      namespace,
      key: "f",
      value,
      condition: { case: "leaseToken", value: token },
    });
    await untilTrue(() => heldBytes() > 0);
    expect(heldBytes()).toBeLessThan(CONNECTION_MAX + 2 * MIB);
    expect(observed.deferredCalls()).toBeGreaterThan(0);
    raw.session.settings({ initialWindowSize: MIB });
    const outcomes = (await Promise.all(streams.map(answerOf))).map(
      ({ body }) => decodeMessage(LeaseResponseSchema, unframed(body)[0] ?? new Uint8Array()).outcome.case,
    );
    expect(new Set(outcomes)).toEqual(new Set(["hit", "held"]));
  });

  it("bounds batches of an Exchange that nobody reads, over all streams of a connection", async () => {
    const raw = await connect(0);
    for (let call = 0; call < 12; call++) {
      const stream = raw.open(methodPath(method.exchange));
      stream.write(encode(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } }));
      const operations = [getOperation];
      stream.write(
        encode(ExchangeRequestSchema, { id: 2n, frame: { case: "batch", value: { operations } } }),
      );
    }
    await untilTrue(() => heldBytes() >= CONNECTION_MAX);
    await served();
    expect(heldBytes()).toBeLessThan(CONNECTION_MAX + 2 * MIB);
    for (const { session } of opened) session.destroy();
  });
});

describe.each(["on", "off"] as const)(
  "A3: with the accelerator %s, requests behind answers",
  (acceleration) => {
    it("that nobody reads are counted too", async () => {
      opened = [];
      await start(acceleration);
      const raw = await connect(0);
      const stream = raw.open(methodPath(method.exchange));
      stream.write(encode(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } }));
      const operations = Array(4).fill(getOperation);
      stream.write(
        encode(ExchangeRequestSchema, { id: 2n, frame: { case: "batch", value: { operations } } }),
      );
      await untilTrue(() => heldBytes() > MIB);
      const answerBytes = heldBytes();
      const sets = [{ operation: { case: "set" as const, value: { namespace, key: "k", value } } }];
      stream.write(
        encode(ExchangeRequestSchema, { id: 3n, frame: { case: "batch", value: { operations: sets } } }),
      );
      await untilTrue(() => heldBytes() > answerBytes + MIB / 2);
      raw.close();
      await untilTrue(() => heldBytes() === 0);
      await running.stop();
    });
  },
);

describe.each(["on", "off"] as const)(
  "A3: with the accelerator %s, a message that stalls",
  (acceleration) => {
    it("is counted, and ends its Exchange", async () => {
      opened = [];
      await start(acceleration, 600);
      const raw = await connect(64 * 1024);
      const stream = raw.open(methodPath(method.exchange));
      const operations = [{ operation: { case: "set" as const, value: { namespace, key: "k", value } } }];
      const whole = encode(ExchangeRequestSchema, {
        id: 1n,
        frame: { case: "batch", value: { operations } },
      });
      stream.write(whole.subarray(0, whole.length - 1));
      await untilTrue(() => heldBytes() > MIB / 2);
      expect(await answerOf(stream)).toMatchObject({
        grpcStatus: status.DEADLINE_EXCEEDED,
        reason: "DEADLINE",
        resetCode: constants.NGHTTP2_NO_ERROR,
      });
      await untilTrue(() => heldBytes() === 0);
      raw.close();
      await running.stop();
    });
  },
);

describe("A3: on a single-stream connection, the account", () => {
  it("counts a message until it is whole, and ends the call when it does not arrive in time", async () => {
    opened = [];
    await start("on", 600);
    const raw = await connectSingleStream(running.address);
    const stream = raw.open(methodPath(method.exchange));
    const operations = [{ operation: { case: "set" as const, value: { namespace, key: "k", value } } }];
    const whole = encode(ExchangeRequestSchema, { id: 1n, frame: { case: "batch", value: { operations } } });
    stream.write(whole.subarray(0, whole.length - 1));
    await untilTrue(() => heldBytes() > MIB / 2);
    expect(await answerOf(stream)).toMatchObject({ grpcStatus: status.DEADLINE_EXCEEDED });
    await untilTrue(() => heldBytes() === 0);
    await running.stop();
  });
});

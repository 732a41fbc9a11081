/** Unary calls that are answered later, without grpc-js: what they leave behind, however they end. */
import { EventEmitter } from "node:events";
import type { IncomingHttpHeaders } from "node:http2";
import { create, type DescMessage, type Message, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  BatchResponseSchema,
  CacheService,
  LeaseRequestSchema,
  LeaseResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeMessage } from "../../../src/codec/messages.ts";
import { createBoundary } from "../../../src/common/boundary.ts";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import { type Settle, type UnaryHandler, unary } from "../../../src/server/calls/handler.ts";
import type { OwnStream, StreamReader } from "../../../src/server/calls/http2-stream.ts";
import { createOpenCalls } from "../../../src/server/calls/registry.ts";
import { FastUnaryCall } from "../../../src/server/fast/unary-call.ts";
import { createStore } from "../../../src/server/index.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { ANSWER_WORK_BYTES, CALL_WORK_BYTES } from "../../../src/server/limits/work.ts";
import type { LeaseResult, Store } from "../../../src/store/api/store.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { answerOf, connectRaw, framed, type RawConnection, unframed } from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { countUnhandled } from "../../support/unhandled.ts";
import { until } from "../../support/until.ts";

const LEASE = "/meshcache.v1.CacheService/Lease";
const BATCH = "/meshcache.v1.CacheService/Batch";
const { method } = CacheService;
const at = { namespace: "n", key: "k" };
const request = <Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Buffer =>
  framed(toBinary(schema, create(schema, message)));
const leaseThatWaits = { ...at, waitMs: 30_000, leaseMs: 30_000 };
const waiting = {
  Lease: [LEASE, request(LeaseRequestSchema, leaseThatWaits)],
  Batch: [
    BATCH,
    request(BatchRequestSchema, {
      operations: [
        { operation: { case: "touch", value: at } },
        { operation: { case: "lease", value: leaseThatWaits } },
      ],
    }),
  ],
} as const;

let running: RunningServer;
let connection: RawConnection;
/** Waits for leases, and those of them that were cancelled. */
let waits: number;
let cancelled: number;
/** Changes what the next waiter of a lease is told. */
let tamper: (result: LeaseResult) => LeaseResult;
let log: unknown[];

/** Counts the waits for leases of a store, and gives their answers to `tamper`. */
function countWaits(store: Store): Store {
  const lease = store.lease.bind(store);
  store.lease = (command, settle) => {
    const result = lease(command, (late) => settle?.(tamper(late)));
    if (result.kind !== "waiting") return result;
    waits += 1;
    return {
      kind: "waiting",
      cancel() {
        cancelled += 1;
        result.cancel();
      },
    };
  };
  return store;
}

beforeEach(async () => {
  waits = 0;
  cancelled = 0;
  log = [];
  tamper = (result) => result;
  const note = (fields: object) => log.push(Reflect.get(fields, "err"));
  running = await startServer({
    acceleration: "on",
    store: countWaits(createStore()),
    telemetry: createNoTelemetry({ info: note, warn: note, error: note }),
    transport: { callMaxMs: 1_500, drainMaxMs: 2_000 },
  });
  connection = await connectRaw(running.address);
  await running.client.unary(method.lease, { ...at, leaseMs: 30_000 });
});
afterEach(async () => {
  connection.close();
  await running.stop();
});

async function open(name: keyof typeof waiting, headers: Readonly<Record<string, string>> = {}) {
  const [path, body] = waiting[name];
  const stream = connection.open(path, headers);
  stream.end(body);
  await until(
    async () => waits,
    (count) => count > 0,
  );
  return stream;
}

const fill = () => running.client.unary(method.set, { ...at, value: Buffer.from("v") });

describe.each(["Lease", "Batch"] as const)("a %s that waits", (name) => {
  it("is answered by the call that fills the entry", async () => {
    const stream = await open(name);
    await fill();
    const { grpcStatus, body } = await answerOf(stream);
    expect(grpcStatus).toBe(status.OK);
    const [message = Buffer.alloc(0)] = unframed(body);
    const results =
      name === "Lease"
        ? [decodeMessage(LeaseResponseSchema, message)]
        : decodeMessage(BatchResponseSchema, message).results.map(({ result }) => result.value);
    expect(results.at(-1)).toMatchObject({ outcome: { case: "hit" } });
    expect(cancelled).toBe(0);
  });

  it("waits no longer when its client resets it", async () => {
    const stream = await open(name);
    stream.close(8);
    await until(
      async () => cancelled,
      (count) => count === 1,
    );
    await fill();
    expect(running.server.store.counters.leasesShared).toBe(0);
  });

  it("waits no longer when its connection is gone", async () => {
    await open(name);
    connection.close();
    await until(
      async () => cancelled,
      (count) => count === 1,
    );
  });

  it("ends with DEADLINE at its own deadline, and waits no longer", async () => {
    const stream = await open(name, { "grpc-timeout": "100m" });
    expect(await answerOf(stream)).toMatchObject({
      grpcStatus: status.DEADLINE_EXCEEDED,
      reason: "DEADLINE",
    });
    expect(cancelled).toBe(1);
  });

  it("ends with DEADLINE after the longest that a call may take", async () => {
    const stream = await open(name);
    expect(await answerOf(stream)).toMatchObject({
      grpcStatus: status.DEADLINE_EXCEEDED,
      reason: "DEADLINE",
    });
    expect(cancelled).toBe(1);
  });

  it("is answered while the server drains", async () => {
    const stream = await open(name);
    const drained = running.server.drain();
    await fill();
    expect((await answerOf(stream)).grpcStatus).toBe(status.OK);
    await drained;
  });
});

describe("a Lease whose answer fails inside the store call of another caller", () => {
  it("ends alone: the other caller has its answer, and the log the cause", async () => {
    const unhandled = countUnhandled();
    const stream = await open("Lease");
    // A value that no encoder takes.
    tamper = (result) => {
      if (result.kind !== "hit") return result;
      return { ...result, entry: { ...result.entry, value: Reflect.get({}, "absent") } };
    };
    const answered = answerOf(stream);
    expect((await fill()).outcome.case).toBe("stored");
    const { grpcStatus, grpcMessage } = await answered;
    expect({ grpcStatus, grpcMessage }).toEqual({
      grpcStatus: status.INTERNAL,
      grpcMessage: "internal%20error",
    });
    expect(log).toMatchObject([expect.any(Error)]);
    expect((await running.client.unary(method.get, at)).outcome.case).toBe("hit");
    expect(unhandled.errors).toEqual([]);
    unhandled.stop();
  });
});

describe("a Batch with a lease whose answer fails inside the store call of another caller", () => {
  it("is answered, and only the result of that lease is an error", async () => {
    const stream = await open("Batch");
    tamper = (result) => {
      if (result.kind !== "hit") return result;
      return { ...result, asOf: Reflect.get({}, "absent") };
    };
    const answered = answerOf(stream);
    expect((await fill()).outcome.case).toBe("stored");
    const { grpcStatus, body } = await answered;
    expect(grpcStatus).toBe(status.OK);
    const [message = Buffer.alloc(0)] = unframed(body);
    const { results } = decodeMessage(BatchResponseSchema, message);
    expect(results).toMatchObject([
      { result: { case: "touch" } },
      { result: { case: "error", value: { code: status.INTERNAL, message: "internal error" } } },
    ]);
    expect(log).toMatchObject([expect.any(Error)]);
  });
});

describe("A3: a write that ends many waits", () => {
  it("answers a few of them in each turn", async () => {
    const WAITERS = 40;
    const TURN_ANSWERS = 8;
    let deferredCalls = () => 0;
    const server = await startServer({
      acceleration: "on",
      store: countWaits(createStore()),
      telemetry: {
        ...createNoTelemetry(),
        observeThread(observed) {
          ({ deferredCalls } = observed);
          return () => {};
        },
      },
      transport: { turnMaxBytes: TURN_ANSWERS * ANSWER_WORK_BYTES },
    });
    await server.client.unary(method.lease, { ...at, leaseMs: 30_000 });
    const raw = await connectRaw(server.address);
    const [path, body] = waiting.Lease;
    const answers = Array.from({ length: WAITERS }, () => raw.call(path, body));
    await until(
      async () => waits,
      (count) => count === WAITERS,
    );
    const before = deferredCalls();
    await server.client.unary(method.set, { ...at, value: Buffer.from("v") });
    for (const { grpcStatus } of await Promise.all(answers)) expect(grpcStatus).toBe(status.OK);
    expect(deferredCalls() - before).toBeGreaterThanOrEqual(WAITERS - TURN_ANSWERS);
    raw.close();
    await server.stop();
  });
});

/** A stream without a connection. `respond`: called when it is answered. */
class FakeStream extends EventEmitter implements OwnStream {
  readonly session = undefined;
  closed = false;
  destroyed = false;
  readonly readableLength = 0;
  readonly headersSent = false;
  readonly respond: () => void;

  constructor(respond: () => void) {
    super();
    this.respond = respond;
  }
  readBy(reader: StreamReader): void {
    this.on("data", (chunk) => reader.dataCame(chunk));
    this.on("end", () => reader.requestEnded());
    this.on("close", () => reader.streamClosed());
  }
  destroy(): void {
    this.destroyed = true;
    this.emit("close");
  }
  write(): void {}
  end(): void {}
  sendTrailers(): void {}
  close(): void {}
  pause(): void {}
  resume(): void {}
}

/** Calls without connections. */
function fakeCalls(handler: UnaryHandler<Message, Message>, turnMaxBytes?: number) {
  const reported: unknown[] = [];
  const boundary = createBoundary((error) => reported.push(error));
  const clock = new ManualClock();
  const telemetry = createNoTelemetry();
  const limits = resolveLimits();
  const { receiveMaxBytes } = limits;
  const transport = resolveTransportLimits(turnMaxBytes === undefined ? {} : { turnMaxBytes });
  const calls = createOpenCalls(clock, telemetry, boundary, { ...transport, receiveMaxBytes });
  const { register } = calls;
  const { input, output } = method.lease;
  const served = {
    path: LEASE,
    requestMaxBytes: receiveMaxBytes,
    requestStream: false,
    input,
    output,
    handler,
  } as const;
  return {
    reported,
    clock,
    calls,
    /** Begins a call whose request is whole. */
    begin(stream: FakeStream, headers: IncomingHttpHeaders = {}): void {
      new FastUnaryCall(served, stream, headers, { register, clock, boundary, limits, telemetry }).begin(
        headers,
      );
      stream.emit("data", request(LeaseRequestSchema, leaseThatWaits));
      stream.emit("end");
    },
  };
}

describe("a response whose caller has gone", () => {
  it("is not encoded", () => {
    let settle: Settle<Message> = () => {};
    const handler = unary<Message, Message>((_request, _context, settleLater) => {
      settle = settleLater;
      return { cancel() {} };
    });
    const { begin, reported } = fakeCalls(handler);
    const stream = new FakeStream(() => {});
    begin(stream);
    stream.closed = true;
    let isRead = false;
    const response = create(LeaseResponseSchema);
    Object.defineProperty(response, "outcome", {
      get: () => {
        isRead = true;
        return { case: undefined };
      },
    });
    settle(response);
    expect({ isRead, reported }).toEqual({ isRead: false, reported: [] });
  });
});

describe("a response that cannot be sent", () => {
  it("is contained by the boundary, which destroys its stream alone", () => {
    let settle: Settle<Message> = () => {};
    let isCancelled = false;
    const handler = unary<Message, Message>((_request, _context, settleLater) => {
      settle = settleLater;
      return {
        cancel() {
          isCancelled = true;
        },
      };
    });
    const { begin, calls, reported } = fakeCalls(handler);
    const stream = new FakeStream(() => {
      throw new Error("the connection is broken");
    });
    begin(stream);
    expect(calls.size).toBe(1);
    settle(create(LeaseResponseSchema));
    expect(reported).toMatchObject([{ message: "the connection is broken" }]);
    expect({ destroyed: stream.destroyed, isCancelled, open: calls.size }).toEqual({
      destroyed: true,
      isCancelled: false,
      open: 0,
    });
    calls.close();
  });
});

describe("A8: calls whose deadline passes before their turn", () => {
  it("are not run, and end some in each turn", async () => {
    const CALLS_PER_TURN = 16;
    const CALLS = 50;
    let ran = 0;
    const handler = unary<Message, Message>((_request, _context, settle) => {
      ran += 1;
      settle(create(LeaseResponseSchema));
      return undefined;
    });
    const { begin, calls, clock } = fakeCalls(handler, CALLS_PER_TURN * CALL_WORK_BYTES);
    const { turns } = calls.memory;
    turns.spend(CALLS_PER_TURN * CALL_WORK_BYTES);
    let ended = 0;
    for (let call = 0; call < CALLS; call++) {
      const stream = new FakeStream(() => {
        ended += 1;
      });
      begin(stream, { "grpc-timeout": "5m" });
    }
    clock.advance(10);
    const perTurn: number[] = [];
    for (let turn = 0; turn < CALLS && ended < CALLS; turn++) {
      const before = ended;
      await new Promise((resolve) => setImmediate(resolve));
      perTurn.push(ended - before);
    }
    expect({ ran, ended }).toEqual({ ran: 0, ended: CALLS });
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(CALLS_PER_TURN);
    calls.close();
  });
});

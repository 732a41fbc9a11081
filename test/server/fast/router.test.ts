/** Unary calls of the accelerator: they get the answers of grpc-js, and what grpc-js does for others is done for them too. */
import { create, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  BatchRequestSchema,
  CacheService,
  GetRequestSchema,
  IncrementRequestSchema,
  InvalidateRequestSchema,
  LeaseRequestSchema,
  SetRequestSchema,
  TouchRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { answerOf, connectRaw, framed, type RawConnection } from "../../support/raw-grpc.ts";
import { CALL_HEADERS, connectSocket, FLAG, FRAME, frame, headerBlock } from "../../support/raw-http2.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { until } from "../../support/until.ts";

const pathOf = (method: string): string => `/meshcache.v1.CacheService/${method}`;
const at = { namespace: "n", key: "k" };
const get = framed(toBinary(GetRequestSchema, create(GetRequestSchema, at)));
/** A content type with a parameter, which the accelerator leaves to grpc-js. */
const BY_GRPC_JS = { "content-type": "application/grpc;by=grpc-js" };

describe("an accelerated call", () => {
  let running: RunningServer;
  let connection: RawConnection;

  beforeAll(async () => {
    running = await startServer({
      limits: { receiveMaxBytes: 1_024, valueMaxBytes: 512, sendMaxBytes: 1_024 },
      // Two calls one after the other get the same age of the value.
      store: createStore({ clock: new ManualClock() }),
    });
  });
  beforeEach(async () => {
    connection = await connectRaw(running.address);
  });
  afterEach(() => connection.close());
  afterAll(() => running.stop());

  it.each([
    ["Set", toBinary(SetRequestSchema, create(SetRequestSchema, { ...at, value: Buffer.from("v") }))],
    ["Get", toBinary(GetRequestSchema, create(GetRequestSchema, at))],
    ["Touch", toBinary(TouchRequestSchema, create(TouchRequestSchema, at))],
    ["Increment", toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { ...at, key: "" }))],
    [
      "Invalidate",
      toBinary(
        InvalidateRequestSchema,
        create(InvalidateRequestSchema, {
          namespace: "n",
          target: { case: "keys", value: { keys: ["k"] } },
        }),
      ),
    ],
    ["Set", toBinary(SetRequestSchema, create(SetRequestSchema, { ...at, value: Buffer.alloc(600) }))],
    ["Get", toBinary(GetRequestSchema, create(GetRequestSchema, { ...at, key: "" }))],
    ["Get", Buffer.alloc(2_000)],
    ["Lease", toBinary(LeaseRequestSchema, create(LeaseRequestSchema, at))],
    ["Lease", toBinary(LeaseRequestSchema, create(LeaseRequestSchema, { ...at, waitMs: 3_600_000 }))],
    [
      "Batch",
      toBinary(
        BatchRequestSchema,
        create(BatchRequestSchema, { operations: [{ operation: { case: "get", value: at } }] }),
      ),
    ],
    ["Batch", Buffer.alloc(0)],
  ])("to %s has the status that grpc-js would give it", async (name, message) => {
    const body = framed(message);
    const accelerated = await connection.call(pathOf(name), body);
    const { grpcStatus, reason } = await connection.call(pathOf(name), body, BY_GRPC_JS);
    expect(accelerated).toMatchObject({ grpcStatus, reason });
  });

  it("of any bytes has the status and the answer that grpc-js would give it", async () => {
    await connection.call(
      pathOf("Set"),
      framed(toBinary(SetRequestSchema, create(SetRequestSchema, { ...at, value: Buffer.from("v") }))),
    );
    const body = fc.oneof(
      fc.nat({ max: get.length }).map((length) => get.subarray(0, length)),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => framed(bytes)),
      fc.integer({ min: 2, max: 4 }).map((count) => Buffer.concat(Array.from({ length: count }, () => get))),
      fc.integer({ min: get.length - 5, max: 2_000 }).map((length) => framed(get.subarray(5), 0, length)),
    );
    await fc.assert(
      fc.asyncProperty(body, async (bytes) => {
        const [accelerated, other] = await Promise.all([
          connection.call(pathOf("Get"), bytes),
          connection.call(pathOf("Get"), bytes, BY_GRPC_JS),
        ]);
        const { httpStatus, grpcStatus, reason, body: answer } = other;
        expect(accelerated).toMatchObject({ httpStatus, grpcStatus, reason, body: answer });
      }),
      { numRuns: 60 },
    );
  });

  it.each(["a b", "a,b", ["a", "b"]])(
    "of the client %j has the status that grpc-js would give it",
    async (id) => {
      const headers = { "meshcache-client-id": id };
      const accelerated = await connection.call(pathOf("Get"), get, headers);
      const { grpcStatus, reason } = await connection.call(pathOf("Get"), get, { ...headers, ...BY_GRPC_JS });
      expect(accelerated).toMatchObject({ grpcStatus, reason });
    },
  );

  it("may arrive byte by byte", async () => {
    const stream = connection.open(pathOf("Get"));
    for (const byte of get) stream.write(Buffer.from([byte]));
    stream.end();
    expect((await answerOf(stream)).grpcStatus).toBe(status.OK);
  });

  it("with a compressed message and no encoding is INTERNAL", async () => {
    const answer = await connection.call(pathOf("Get"), framed(get.subarray(5), 1));
    expect(answer.grpcStatus).toBe(status.INTERNAL);
  });

  it("whose request is not whole by its deadline is DEADLINE_EXCEEDED", async () => {
    const stream = connection.open(pathOf("Get"), { "grpc-timeout": "20m" });
    stream.write(get.subarray(0, 7));
    expect(await answerOf(stream)).toMatchObject({
      grpcStatus: status.DEADLINE_EXCEEDED,
      reason: "DEADLINE",
    });
  });

  it("that is reset before its request is whole does nothing, and other calls go on", async () => {
    const { sets } = running.server.store.counters;
    const stream = connection.open(pathOf("Set"));
    stream.write(get.subarray(0, 7));
    stream.close();
    await answerOf(stream);
    expect((await connection.call(pathOf("Get"), get)).grpcStatus).toBe(status.OK);
    expect(running.server.store.counters.sets).toBe(sets);
  });
});

describe("a server", () => {
  let running: RunningServer | undefined;
  afterEach(() => running?.stop());

  it("does not close a connection as idle while an accelerated call is open", async () => {
    running = await startServer({ transport: { connectionIdleMs: 200, halfCloseMaxMs: 700 } });
    const { open, closed } = await connectRaw(running.address);
    const stream = open(pathOf("Get"));
    stream.write(get.subarray(0, 7));
    const first = await Promise.race([answerOf(stream), closed.then(() => "closed")]);
    expect(first).toMatchObject({ grpcStatus: status.DEADLINE_EXCEEDED });
    await closed;
  });

  it("gathers a request of 2 MiB in frames of 1 KiB as fast as grpc-js does", async () => {
    running = await startServer({ limits: { valueMaxBytes: 2 << 20 } });
    const { server, port } = running;
    const { counters } = server.store;
    const value = Buffer.alloc((2 << 20) - 1_024);
    const body = framed(toBinary(SetRequestSchema, create(SetRequestSchema, { ...at, value })));
    const setMs = async (headers: Readonly<Record<string, string>>) => {
      const { socket } = await connectSocket(port);
      const block = headerBlock({ ...CALL_HEADERS, ":path": pathOf("Set"), ...headers });
      const frames = [frame(FRAME.headers, FLAG.endHeaders, 1, block)];
      for (let from = 0; from < body.length; from += 1_024) {
        frames.push(frame(FRAME.data, 0, 1, body.subarray(from, from + 1_024)));
      }
      frames.push(frame(FRAME.data, FLAG.endStream, 1));
      const { sets } = counters;
      const beganMs = performance.now();
      socket.write(Buffer.concat(frames));
      await until(
        async () => counters.sets,
        (now) => now > sets,
      );
      socket.destroy();
      return performance.now() - beganMs;
    };
    await setMs({});
    const other = await setMs(BY_GRPC_JS);
    expect(await setMs({})).toBeLessThan(250 + 8 * other);
  });

  it("answers an accelerated call that is open when the drain begins", async () => {
    running = await startServer();
    const connection = await connectRaw(running.address);
    const stream = connection.open(pathOf("Get"));
    stream.write(get.subarray(0, 7));
    await connection.call(pathOf("Get"), get);
    const drained = running.server.drain();
    stream.end(get.subarray(7));
    expect((await answerOf(stream)).grpcStatus).toBe(status.OK);
    await drained;
  });

  it("does not send an answer that is larger than sendMaxBytes", async () => {
    running = await startServer({ limits: { valueMaxBytes: 1_000, sendMaxBytes: 1_024 } });
    const { client } = running;
    const connection = await connectRaw(running.address);
    await client.unary(CacheService.method.set, {
      ...at,
      value: Buffer.alloc(1_000),
      contentType: "x".repeat(100),
    });
    const [accelerated, other] = await Promise.all([
      connection.call(pathOf("Get"), get),
      connection.call(pathOf("Get"), get, BY_GRPC_JS),
    ]);
    expect(accelerated.grpcStatus).toBe(status.RESOURCE_EXHAUSTED);
    expect(other.grpcStatus).toBe(status.RESOURCE_EXHAUSTED);
  });
});

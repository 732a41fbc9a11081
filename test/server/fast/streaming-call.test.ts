/**
 * Streaming calls of the accelerator, among others on a connection or on a single-stream connection: they end as with
 * grpc-js, and what grpc-js does for others is done for them too.
 */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  ExchangeRequestSchema,
  ExchangeResponseSchema,
  StreamRequestSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeMessage } from "../../../src/codec/messages.ts";
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

const STREAM = "/meshcache.v1.CacheService/Stream";
const EXCHANGE = "/meshcache.v1.CacheService/Exchange";
/** A content type with a parameter, which the accelerator leaves to grpc-js. */
const BY_GRPC_JS = { "content-type": "application/grpc;by=grpc-js" };

const exchangeFrame = (request: MessageInitShape<typeof ExchangeRequestSchema>): Buffer =>
  framed(toBinary(ExchangeRequestSchema, create(ExchangeRequestSchema, request)));
const OPEN = exchangeFrame({ id: 1n, frame: { case: "open", value: { clientId: "c" } } });
const PING = exchangeFrame({ id: 2n, frame: { case: "ping", value: { nonce: 9n } } });
const streamOf = (request: MessageInitShape<typeof StreamRequestSchema>): Buffer =>
  framed(toBinary(StreamRequestSchema, create(StreamRequestSchema, request)));
const SUBSCRIPTION = streamOf({ namespace: "n" });

const framesOf = ({ body }: RawAnswer) =>
  unframed(body).map((bytes) => decodeMessage(ExchangeResponseSchema, bytes).frame.case);

describe("an accelerated stream", () => {
  let running: RunningServer;
  let connection: RawConnection;

  beforeAll(async () => {
    running = await startServer({
      limits: { receiveMaxBytes: 1_024, valueMaxBytes: 512 },
      transport: { connectionMaxSubscriptions: 1_000 },
    });
  });
  beforeEach(async () => {
    connection = await connectRaw(running.address);
  });
  afterEach(() => connection.close());
  afterAll(() => running.stop());

  /** Makes the same call in each way at once. A Stream that opens is closed after its first frame. */
  async function allWays(path: string, body: Uint8Array, headers: Readonly<Record<string, string>> = {}) {
    const ask = (on: RawConnection, more: Readonly<Record<string, string>>) => {
      const stream = on.open(path, { ...headers, ...more });
      if (path === STREAM) stream.once("data", () => stream.close());
      stream.end(body);
      return answerOf(stream);
    };
    const single = await connectSingleStream(running.address);
    const [accelerated, alone, other] = await Promise.all([
      ask(connection, {}),
      ask(single, {}),
      ask(connection, BY_GRPC_JS),
    ]);
    single.close();
    return { ours: [accelerated, alone], other };
  }

  it.each([
    ["a request", OPEN],
    ["requests and a half-close", Buffer.concat([OPEN, PING])],
    ["no request", Buffer.alloc(0)],
    ["a request before Open", PING],
    ["ids that do not grow", Buffer.concat([OPEN, OPEN])],
    ["what is no request", framed(Buffer.alloc(20, 0xff))],
    ["a request behind what is no request", Buffer.concat([OPEN, framed(Buffer.alloc(20, 0xff)), PING])],
    ["a request that is too large", framed(Buffer.alloc(3), 0, 1_025)],
  ])("of an exchange with %s ends as grpc-js ends it", async (_, body) => {
    const { ours, other } = await allWays(EXCHANGE, body);
    for (const answer of ours) {
      expect(answer).toMatchObject({
        httpStatus: other.httpStatus,
        grpcStatus: other.grpcStatus,
        reason: other.reason,
      });
      expect(framesOf(answer)).toEqual(framesOf(other));
    }
  });

  it.each([
    ["no request", Buffer.alloc(0)],
    ["what is no request", framed(Buffer.alloc(20, 0xff))],
    ["a namespace out of its bound", streamOf({ namespace: "../b" })],
    ["a cursor that no server gave", streamOf({ namespace: "n", cursor: Buffer.from("garbage") })],
  ])("of events with %s ends as grpc-js ends it", async (_, body) => {
    const { ours, other } = await allWays(STREAM, body);
    for (const answer of ours) {
      expect(answer).toMatchObject({ grpcStatus: other.grpcStatus, reason: other.reason });
      expect(answer.grpcStatus).not.toBe(status.OK);
    }
  });

  it("of a client whose id is out of its bound ends as grpc-js ends it", async () => {
    for (const [path, body] of [
      [STREAM, SUBSCRIPTION],
      [EXCHANGE, OPEN],
    ] as const) {
      const { ours, other } = await allWays(path, body, { "meshcache-client-id": "a b" });
      for (const answer of ours) {
        expect(answer).toMatchObject({ grpcStatus: status.INVALID_ARGUMENT, reason: other.reason });
      }
    }
  });
});

describe.each([
  ["among others", connectRaw],
  ["on a single-stream connection", connectSingleStream],
])("an accelerated stream %s", (_, connect) => {
  let running: RunningServer;
  let undo = new DisposableStack();

  beforeAll(async () => {
    running = await startServer({ limits: { receiveMaxBytes: 1_024, valueMaxBytes: 512 } });
  });
  afterEach(() => {
    undo.dispose();
    undo = new DisposableStack();
  });
  afterAll(() => running.stop());

  async function open(path: string, headers: Readonly<Record<string, string>> = {}) {
    const connection = await connect(running.address);
    undo.defer(() => connection.close());
    return connection.open(path, headers);
  }

  async function call(path: string, body: Uint8Array): Promise<RawAnswer> {
    const stream = await open(path);
    stream.end(body);
    return answerOf(stream);
  }

  it("of events refuses a second request", async () => {
    const answer = await call(STREAM, Buffer.concat([SUBSCRIPTION, SUBSCRIPTION]));
    expect(answer.grpcStatus).toBe(status.UNIMPLEMENTED);
  });

  it("answers requests that arrive in any pieces", async () => {
    const bytes = Buffer.concat([OPEN, PING]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: bytes.length }), { maxLength: 6 }), async (cuts) => {
        const stream = await open(EXCHANGE);
        let at = 0;
        for (const to of [...cuts, bytes.length].sort((one, other) => one - other)) {
          stream.write(bytes.subarray(at, to));
          at = to;
          await new Promise((resolve) => setImmediate(resolve));
        }
        stream.end();
        const answer = await answerOf(stream);
        expect(answer.grpcStatus).toBe(status.OK);
        expect(framesOf(answer)).toEqual(["opened", "progress"]);
      }),
      { numRuns: 40 },
    );
  });

  it("whose last request is not whole is INVALID_ARGUMENT, behind the answers to the others", async () => {
    const answer = await call(EXCHANGE, Buffer.concat([OPEN, PING.subarray(0, 7)]));
    expect(answer).toMatchObject({ grpcStatus: status.INVALID_ARGUMENT, reason: "FIELD_INVALID" });
    expect(framesOf(answer)).toEqual(["opened"]);
  });

  it("with a compressed request and no encoding is INTERNAL", async () => {
    const answer = await call(EXCHANGE, Buffer.concat([OPEN, framed(PING.subarray(5), 1)]));
    expect(answer.grpcStatus).toBe(status.INTERNAL);
  });

  it("gets its status although its client does not end its side", async () => {
    const stream = await open(EXCHANGE);
    stream.write(Buffer.concat([OPEN, OPEN]));
    const answer = await answerOf(stream);
    expect(answer).toMatchObject({ grpcStatus: status.INVALID_ARGUMENT, reason: "FIELD_INVALID" });
  });

  it("ends at its deadline, whether it is open or not", async () => {
    const timeout = { "grpc-timeout": "20m" };
    const exchange = await open(EXCHANGE, timeout);
    const opened = answerOf(exchange);
    exchange.write(OPEN);
    const unopened = answerOf(await open(STREAM, timeout));
    for (const answer of await Promise.all([opened, unopened])) {
      expect(answer).toMatchObject({ grpcStatus: status.DEADLINE_EXCEEDED, reason: "DEADLINE" });
    }
  });

  it("leaves nothing open when it is reset", async () => {
    for (let round = 0; round < 20; round++) {
      const stream = await open(round % 2 === 0 ? EXCHANGE : STREAM);
      stream.write(round % 2 === 0 ? OPEN : SUBSCRIPTION);
      stream.close(8);
      await answerOf(stream);
    }
    const exchange = await call(EXCHANGE, OPEN);
    expect(exchange.grpcStatus).toBe(status.OK);
  });
});

describe("a server", () => {
  let running: RunningServer | undefined;
  afterEach(() => running?.stop());

  it("refuses a stream that is one too many for its connection, and takes it when another has ended", async () => {
    running = await startServer({ transport: { connectionMaxSubscriptions: 1 } });
    const connection = await connectRaw(running.address);
    const first = connection.open(EXCHANGE);
    first.write(OPEN);
    await new Promise((resolve) => first.once("data", resolve));
    const refused = await connection.call(EXCHANGE, OPEN);
    expect(refused).toMatchObject({ grpcStatus: status.RESOURCE_EXHAUSTED, reason: "LIMIT_EXCEEDED" });
    first.end();
    expect((await answerOf(first)).grpcStatus).toBe(status.OK);
    expect((await connection.call(EXCHANGE, OPEN)).grpcStatus).toBe(status.OK);
  });
});

describe.each([
  ["among others", connectRaw],
  ["on a single-stream connection", connectSingleStream],
])("with a stream %s a server", (_, connect) => {
  let running: RunningServer | undefined;
  afterEach(() => running?.stop());

  it("drops a stream that its peer reset while it was paused", async () => {
    running = await startServer({
      transport: { queueMaxBytes: 1_024, stallMaxMs: 60_000 },
      workers: 1,
    });
    const { server } = running;
    const connection = await connect(running.address, { settings: { initialWindowSize: 2_000 } });
    const stream = connection.open(EXCHANGE);
    stream.write(OPEN);
    for (let id = 2n; id < 2_000n; id++) {
      stream.write(exchangeFrame({ id, frame: { case: "ping", value: { nonce: 1n } } }));
    }
    await new Promise((resolve) => stream.once("data", resolve));
    stream.pause();
    stream.close(0);
    // The client of Node, too, keeps a stream open until it was read to the end.
    stream.resume();
    await new Promise((resolve) => stream.once("close", resolve));
    // The drain ends well before the half of `drainMaxMs` that it gives to open streams.
    await expect(server.drain()).resolves.toBeUndefined();
  }, 8_000);

  it("does not read requests while their answers are not read", async () => {
    running = await startServer({ transport: { queueMaxBytes: 1_024, stallMaxMs: 60_000 } });
    const connection = await connect(running.address, { settings: { initialWindowSize: 2_000 } });
    const stream = connection.open(EXCHANGE);
    stream.write(OPEN);
    let sent = 0;
    const accepted = new Promise<number>((resolve) => {
      const sendMore = (): void => {
        for (let round = 0; round < 100; round++, sent++) {
          stream.write(
            exchangeFrame({ id: BigInt(sent + 2), frame: { case: "ping", value: { nonce: 1n } } }),
          );
        }
        // Requests beyond the window of the server stay in this buffer.
        if (stream.writableLength > 200_000) resolve(sent);
        else setImmediate(sendMore);
      };
      sendMore();
    });
    expect(await accepted).toBeGreaterThan(1_000);
    stream.end();
    const answer = await answerOf(stream);
    expect(answer.grpcStatus).toBe(status.OK);
    expect(framesOf(answer).length).toBe(sent + 1);
  });
});

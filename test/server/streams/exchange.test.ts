/** Exchange over real gRPC: what needs a transport. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import {
  CacheService,
  ExchangeRequestSchema,
  ExchangeResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { decodeMessage, encodeMessage } from "../../../src/codec/messages.ts";
import { systemClock } from "../../../src/common/clock.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import type { ThreadObservation } from "../../../src/telemetry/telemetry.ts";
import { answerOf, connectRaw, framed, unframed } from "../../support/raw-grpc.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { testProxy } from "../../support/test-workers.ts";

const { method } = CacheService;
let running: RunningServer | undefined;

afterEach(() => running?.stop());

describe("a client that does not read", () => {
  it("is not read from, and gets every answer in order when it reads again", async () => {
    running = await startServer({ transport: { queueMaxBytes: 1 << 20 } });
    const { client, servers, address } = running;
    const hits = () => servers.reduce((sum, { backend }) => sum + backend.counters.hits, 0);
    await client.unary(method.set, { namespace: "n", key: "k", value: new Uint8Array(1 << 20) });
    const raw = await connectRaw(address);
    const stream = raw.open("/meshcache.v1.CacheService/Exchange");
    const send = (request: MessageInitShape<typeof ExchangeRequestSchema>) =>
      stream.write(framed(encodeMessage(ExchangeRequestSchema, create(ExchangeRequestSchema, request))));
    send({ id: 1n, frame: { case: "open", value: {} } });
    for (let id = 2n; id <= 101n; id++) {
      const operations = [{ operation: { case: "get" as const, value: { namespace: "n", key: "k" } } }];
      send({ id, frame: { case: "batch", value: { operations } } });
    }
    stream.end();
    let before = -1;
    while (hits() !== before || before === 0) {
      before = hits();
      for (let turn = 0; turn < 500; turn++) await nextTurn();
    }
    expect(before).toBeLessThan(10);
    const { body } = await answerOf(stream);
    const ids = unframed(body).map((message) => decodeMessage(ExchangeResponseSchema, message).id);
    expect(ids).toEqual(Array.from({ length: 101 }, (_, n) => BigInt(n + 1)));
    raw.close();
    expect(hits()).toBe(100);
  });
});

describe("a client that sends much and reads nothing", () => {
  it("can send little more than the requests that are being answered", async () => {
    running = await startServer({ transport: { queueMaxBytes: 1 << 16 } });
    const { client, address } = running;
    await client.unary(method.set, { namespace: "n", key: "k", value: new Uint8Array(1 << 20) });
    const raw = await connectRaw(address, { settings: { initialWindowSize: 0 }, maxSessionMemory: 100 });
    const stream = raw.open("/meshcache.v1.CacheService/Exchange");
    const send = (request: MessageInitShape<typeof ExchangeRequestSchema>) =>
      stream.write(framed(encodeMessage(ExchangeRequestSchema, create(ExchangeRequestSchema, request))));
    send({ id: 1n, frame: { case: "open", value: {} } });
    const get = { case: "get" as const, value: { namespace: "n", key: "k" } };
    const set = { case: "set" as const, value: { namespace: "n", key: "s", value: new Uint8Array(1 << 20) } };
    const operations = [{ operation: get }, { operation: set }];
    for (let id = 2n; id <= 25n; id++) send({ id, frame: { case: "batch", value: { operations } } });
    const { socket } = raw.session;
    for (let before = -1; before !== socket.bytesWritten || before < 1 << 20; ) {
      before = socket.bytesWritten;
      for (let turn = 0; turn < 2_000; turn++) await nextTurn();
    }
    expect(socket.bytesWritten).toBeLessThan(8 << 20);
    raw.close();
  });
});

describe("a client whose subscription has many events to skip", () => {
  it("is read from again when they are skipped, although it gets no frame", async () => {
    running = await startServer();
    const { client, server } = running;
    const cursor = server.backend.subscribe([], new Uint8Array(0), () => {}).cursor();
    const keys = Array.from({ length: 1_000 }, (_, n) => `k${n}`);
    for (let n = 0; n < 40; n++) {
      const target = { case: "keys" as const, value: { keys } };
      await client.unary(method.invalidate, { namespace: "elsewhere", target });
    }
    const call = client.bidi(method.exchange);
    call.on("error", () => {});
    const answered: bigint[] = [];
    const all = new Promise<void>((resolve) => {
      call.on("data", ({ id, frame }) => {
        if (frame.case === "batch" && answered.push(id) === 20) resolve();
      });
    });
    const send = (request: MessageInitShape<typeof ExchangeRequestSchema>) =>
      call.write(create(ExchangeRequestSchema, request));
    send({ id: 1n, frame: { case: "open", value: {} } });
    send({ id: 2n, frame: { case: "subscription", value: { selectors: [{ namespace: "n" }], cursor } } });
    const operations = [{ operation: { case: "get" as const, value: { namespace: "n", key: "k" } } }];
    for (let id = 3n; id <= 22n; id++) send({ id, frame: { case: "batch", value: { operations } } });
    await all;
    expect(answered).toEqual(Array.from({ length: 20 }, (_, n) => BigInt(n + 3)));
    call.cancel();
  });
});

describe("a client that breaks the protocol", () => {
  it("gets an error as the status of the call", async () => {
    running = await startServer();
    const call = running.client.bidi(method.exchange);
    const failed = new Promise((resolve) => call.once("error", resolve));
    call.on("data", () => {});
    call.write(create(ExchangeRequestSchema, { id: 0n }));
    expect(await failed).toMatchObject({ code: status.INVALID_ARGUMENT });
  });
});

describe("a client that sends many operations at once", () => {
  it("makes the server poll for the next batch, unless that is switched off", async () => {
    const spentMicros: (() => number)[] = [];
    const observeThread = ({ busyPollMicros }: ThreadObservation) => {
      spentMicros.push(busyPollMicros);
      return () => {};
    };
    let micros = 0;
    const clock = { ...systemClock, nowMicros: () => micros++ };
    for (const busyPollMaxMs of [0, 1]) {
      running = await startServer({
        clock,
        telemetry: { ...createNoTelemetry(), observeThread },
        transport: { busyPollMaxMs },
      });
      const raw = await connectRaw(running.address);
      const stream = raw.open("/meshcache.v1.CacheService/Exchange");
      const get = { case: "get" as const, value: { namespace: "n", key: "k" } };
      const operations = Array.from({ length: 24 }, () => ({ operation: get }));
      const send = (request: MessageInitShape<typeof ExchangeRequestSchema>) =>
        stream.write(framed(encodeMessage(ExchangeRequestSchema, create(ExchangeRequestSchema, request))));
      send({ id: 1n, frame: { case: "open", value: {} } });
      send({ id: 2n, frame: { case: "batch", value: { operations } } });
      stream.end();
      await answerOf(stream);
      raw.close();
      await running.stop();
    }
    const [never, once] = spentMicros.map((spent) => spent());
    expect(never).toBe(0);
    expect(once).toBeGreaterThan(0);
  });
});

// A proxy advertises streams of its own.
describe.skipIf(testProxy)(
  "L1: a connection that carries the streams of many clients, as a proxy's does",
  () => {
    it.each([
      ["by default", undefined, 256],
      ["with a setting", 40, 40],
    ])("has all streams served that are advertised %s", async (_, connectionMaxStreams, advertised) => {
      running = await startServer({ transport: connectionMaxStreams ? { connectionMaxStreams } : {} });
      const raw = await connectRaw(running.address);
      expect(raw.session.remoteSettings.maxConcurrentStreams).toBe(advertised);
      const open = framed(
        encodeMessage(
          ExchangeRequestSchema,
          create(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } }),
        ),
      );
      const opened = await Promise.all(
        Array.from({ length: advertised }, async () => {
          const stream = raw.open("/meshcache.v1.CacheService/Exchange");
          stream.write(open);
          const answer = new Promise<boolean>((resolve) => {
            stream.once("data", () => resolve(true));
            stream.once("close", () => resolve(false));
          });
          return await answer;
        }),
      );
      expect(opened.filter(Boolean)).toHaveLength(advertised);
      raw.close();
    });
  },
);

/** Single-stream connections: what the client may do there, what ends them, and how long they last. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { ExchangeRequestSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { PREFACE, setting, settings } from "../../../src/http2/frame.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { framed } from "../../support/raw-grpc.ts";
import { CALL_HEADERS, FLAG, FRAME, frame, headerBlock, uint32 } from "../../support/raw-http2.ts";
import { type RunningServer, type RunningServerOptions, startServer } from "../../support/running-server.ts";
import { surviveWith } from "../../support/survival.ts";

const PADDED = 8;
const GO_AWAY = 7;
const CALM = 11;
const EXCHANGE = { ...CALL_HEADERS, ":path": "/meshcache.v1.CacheService/Exchange" };
const ANNOUNCED = settings([
  [setting.headerTableSize, 0],
  [setting.singleStream, 1],
]);
const headers = (fields: Readonly<Record<string, string>> = EXCHANGE): Buffer =>
  frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock(fields));
const data = (bytes: Uint8Array, flags = 0): Buffer => frame(FRAME.data, flags, 1, bytes);
const request = (message: MessageInitShape<typeof ExchangeRequestSchema>): Buffer =>
  framed(toBinary(ExchangeRequestSchema, create(ExchangeRequestSchema, message)));
const OPEN = request({ id: 1n, frame: { case: "open", value: { clientId: "c" } } });
const ping = (id: bigint): Buffer => request({ id, frame: { case: "ping", value: { nonce: id } } });
const repeated = (bytes: Buffer, times: number): Buffer => Buffer.concat(Array(times).fill(bytes));

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

/** The client's side, frame by frame. */
class Peer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<void>;
  #bytes = Buffer.alloc(0);
  #answeredPings = 0;
  #check = (): void => {};

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve()));
    this.socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      while (this.#bytes.length >= 9 && this.#bytes.length >= 9 + this.#bytes.readUIntBE(0, 3)) {
        const [type = 0, flags = 0] = this.#bytes.subarray(3, 5);
        const body = this.#bytes.subarray(9, 9 + this.#bytes.readUIntBE(0, 3));
        this.frames.push({ type, flags, body });
        this.#bytes = this.#bytes.subarray(9 + body.length);
      }
      this.#check();
    });
  }

  /** In one segment, as a client that announces itself does. */
  start(...more: readonly Buffer[]): void {
    this.socket.write(Buffer.concat([PREFACE, ANNOUNCED, ...more]));
  }

  of(type: number): readonly Frame[] {
    return this.frames.filter((one) => one.type === type);
  }

  until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (done()) resolve();
      };
      this.#check();
    });
  }

  /** Resolves when the stream has sent something. */
  answered(frames = 1): Promise<void> {
    return this.until(() => this.of(FRAME.data).length >= frames);
  }

  /** Resolves when the server has read all that was sent before, or has gone. */
  async roundTrip(): Promise<void> {
    const acks = () => this.of(FRAME.ping).filter(({ flags }) => flags === FLAG.ack).length;
    const before = acks();
    this.socket.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await Promise.race([this.until(() => acks() > before), this.closed]);
  }

  answerPings(): void {
    const pings = this.of(FRAME.ping).filter(({ flags }) => flags === 0);
    for (const { body } of pings.slice(this.#answeredPings)) {
      this.socket.write(frame(FRAME.ping, FLAG.ack, 0, body));
    }
    this.#answeredPings = pings.length;
  }

  /** Why the server said that it goes away. */
  get fault(): number | undefined {
    return this.of(GO_AWAY)[0]?.body.readUInt32BE(4);
  }
}

describe("a single-stream connection that breaks its announcement or HTTP/2", () => {
  const survivor = surviveWith({
    transport: {
      halfCloseMaxMs: 500,
      connectionMaxPingsPerSecond: 500,
      flowControlWindowBytes: 65_535,
      queueMaxBytes: 1_024,
    },
  });
  let peer: Peer;
  afterEach(() => peer.socket.destroy());

  const [protocol, flowControl, closedStream, size, compression] = [1, 3, 5, 6, 9];
  it.each([
    ["a second stream", protocol, frame(FRAME.headers, FLAG.endHeaders, 3, headerBlock(EXCHANGE))],
    ["data of another stream", protocol, frame(FRAME.data, 0, 3, Buffer.of(1))],
    ["headers behind its headers", protocol, headers()],
    ["headers that are not continued", protocol, Buffer.concat([frame(FRAME.headers, 0, 1), data(OPEN)])],
    ["a continuation of no headers", protocol, frame(FRAME.continuation, FLAG.endHeaders, 1)],
    ["data behind its end", closedStream, Buffer.concat([data(OPEN, FLAG.endStream), data(OPEN)])],
    ["more data than it has room for", flowControl, Buffer.concat([data(OPEN), ...excess()])],
    ["data that is all padding", protocol, data(Buffer.of(9, 0), PADDED)],
    ["a frame that is too long", size, data(Buffer.alloc(16_385))],
    ["a ping of another size", size, frame(FRAME.ping, 0, 0, Buffer.alloc(7))],
    ["pings without end", CALM, repeated(frame(FRAME.ping, 0, 0, Buffer.alloc(8)), 501)],
    ["settings without end", CALM, repeated(frame(FRAME.settings, 0, 0), 101)],
    ["empty data without end", CALM, repeated(data(Buffer.alloc(0)), 501)],
    ["priorities without end", CALM, repeated(frame(2, 0, 1, Buffer.alloc(5)), 501)],
    ["settings with too many entries", protocol, settings(Array(33).fill([3, 1]))],
    ["settings of a wrong length", protocol, frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
    ["a window update of 0", flowControl, frame(FRAME.windowUpdate, 0, 1, uint32(0))],
    ["a window that overflows", flowControl, frame(FRAME.windowUpdate, 0, 0, uint32(0x7fff_ffff))],
    ["a push", protocol, frame(5, FLAG.endHeaders, 1, Buffer.alloc(4))],
    ["trailers that cannot be decoded", compression, frame(FRAME.headers, 5, 1, Buffer.of(0xbe))],
  ])("gets GOAWAY with the reason and is closed for %s", async (_, code, bytes) => {
    peer = new Peer(survivor().running.port);
    // The client takes no answers, so that they wait, and requests behind them.
    peer.start(frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(0)])), headers());
    peer.socket.write(bytes);
    await peer.closed;
    expect(peer.fault).toBe(code);
  });

  it.each([
    ["data before its headers", protocol, data(OPEN)],
    ["a reset before its headers", protocol, frame(FRAME.reset, 0, 1, uint32(8))],
    ["too many headers", compression, headers({ ...EXCHANGE, ...manyHeaders(65) })],
    [
      "headers without end",
      CALM,
      Buffer.concat([
        frame(FRAME.headers, 0, 1),
        repeated(frame(FRAME.continuation, 0, 1, headerBlock({ "x-more": "v".repeat(100) })), 200),
      ]),
    ],
  ])("gets GOAWAY with the reason and is closed for %s", async (_, code, bytes) => {
    peer = new Peer(survivor().running.port);
    peer.start(bytes);
    await peer.closed;
    expect(peer.fault).toBe(code);
  });

  it("is closed when it announces a single stream and opens none", async () => {
    peer = new Peer(survivor().running.port);
    peer.start();
    await peer.closed;
  });

  it("gets UNIMPLEMENTED for a method that it does not serve", async () => {
    for (const fields of [{ ":path": "/x" }, { "content-type": "application/grpc;by=x" }]) {
      peer = new Peer(survivor().running.port);
      peer.start(headers({ ...EXCHANGE, ...fields }));
      await peer.closed;
      const [answer] = peer.of(FRAME.headers);
      expect(answer?.body.toString("latin1")).toMatch(/grpc-status.{1}12/s);
    }
  });

  it("survives any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.boolean(),
        async (bytes, begun) => {
          peer = new Peer(survivor().running.port);
          peer.start(...(begun ? [headers(), data(OPEN)] : []), Buffer.from(bytes));
          peer.socket.end();
          await peer.closed;
        },
      ),
      { numRuns: 100 },
    );
  });
});

/** Requests whose answers wait, and then more than a window. */
function excess(): readonly Buffer[] {
  const pings = Array.from({ length: 100 }, (_, index) => ping(BigInt(index + 2)));
  return [data(Buffer.concat(pings)), repeated(data(Buffer.alloc(16_000)), 5)];
}

function manyHeaders(count: number): Readonly<Record<string, string>> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, "v"]));
}

describe("a single-stream connection", () => {
  let running: RunningServer;
  let peer: Peer;

  async function begin(options: RunningServerOptions = {}, ...first: readonly Buffer[]): Promise<void> {
    running = await startServer(options);
    peer = new Peer(running.port);
    await once(peer.socket, "connect");
    peer.start(headers(), ...first);
  }
  afterEach(async () => {
    peer.socket.destroy();
    await running.stop();
  });

  it("is served as one, and answers", async () => {
    await begin({}, data(OPEN));
    await peer.answered();
    expect(peer.frames.slice(0, 5).map(({ type, flags }) => [type, flags])).toEqual([
      [FRAME.settings, 0],
      [FRAME.windowUpdate, 0],
      [FRAME.settings, FLAG.ack],
      [FRAME.headers, FLAG.endHeaders],
      [FRAME.data, 0],
    ]);
  });

  it("ends with its stream", async () => {
    await begin({}, data(OPEN), data(ping(2n), FLAG.endStream));
    await peer.closed;
    expect(peer.frames.slice(-3).map(({ type, flags }) => [type, flags])).toEqual([
      [FRAME.data, 0],
      [FRAME.headers, FLAG.endHeaders | FLAG.endStream],
      [GO_AWAY, 0],
    ]);
    expect(peer.fault).toBe(0);
  });

  it("ends when its stream is reset", async () => {
    await begin({}, data(OPEN));
    await peer.answered();
    peer.socket.write(frame(FRAME.reset, 0, 1, uint32(8)));
    await peer.closed;
    // Nothing follows: the client has reset its only stream, and reads no more.
    expect(peer.fault).toBeUndefined();
  });

  it("gets its status although the refused request came while the stream was paused", async () => {
    await begin(
      { transport: { queueMaxBytes: 1_024, flowControlWindowBytes: 65_535, stallMaxMs: 60_000 } },
      frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(0)])),
      data(OPEN),
    );
    const pings = Array.from({ length: 2_500 }, (_, index) => ping(BigInt(index + 2)));
    const bytes = Buffer.concat([...pings, framed(Buffer.alloc(20, 0xff))]);
    for (let at = 0; at < bytes.length; at += 16_000) {
      peer.socket.write(data(bytes.subarray(at, at + 16_000)));
    }
    peer.socket.write(data(Buffer.alloc(0), FLAG.endStream));
    await peer.roundTrip();
    peer.socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(1_000_000)));
    peer.socket.write(frame(FRAME.windowUpdate, 0, 1, uint32(1_000_000)));
    await peer.closed;
    const trailers = peer.of(FRAME.headers)[1];
    expect(trailers?.flags).toBe(FLAG.endHeaders | FLAG.endStream);
    expect(trailers?.body.toString("latin1")).toMatch(/grpc-status.{1}3/s);
    expect(peer.fault).toBe(0);
  });

  it("sends no more than the window allows, and its status last", async () => {
    await begin({}, data(OPEN));
    await peer.answered();
    const before = bytesOf(peer);
    const pings = Array.from({ length: 6_000 }, (_, index) => ping(BigInt(index + 2)));
    for (let at = 0; at < pings.length; at += 500) {
      peer.socket.write(data(Buffer.concat(pings.slice(at, at + 500))));
    }
    peer.socket.write(data(Buffer.alloc(0), FLAG.endStream));
    await peer.until(() => bytesOf(peer) === 65_535);
    expect(before).toBeLessThan(100);
    peer.socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(1_000_000)));
    peer.socket.write(frame(FRAME.windowUpdate, 0, 1, uint32(1_000_000)));
    await peer.closed;
    expect(Buffer.concat(peer.of(FRAME.data).map(({ body }) => body)).length).toBeGreaterThan(65_535);
    const trailers = peer.of(FRAME.headers)[1];
    expect(trailers?.flags).toBe(FLAG.endHeaders | FLAG.endStream);
    expect(trailers?.body.toString("latin1")).toContain("grpc-status");
  });

  it("is cut when it takes nothing for too long", async () => {
    const clock = new ManualClock();
    await begin({ clock, transport: { stallMaxMs: 1_000 } }, data(OPEN));
    await peer.answered();
    for (let id = 2; id < 9_000; id += 500) {
      const pings = Array.from({ length: 500 }, (_, index) => ping(BigInt(id + index)));
      peer.socket.write(data(Buffer.concat(pings)));
    }
    await peer.until(() => bytesOf(peer) === 65_535);
    // It still answers pings, so only its stream is reset.
    for (let round = 0; round < 10 && peer.of(FRAME.reset).length === 0; round++) {
      clock.advance(250);
      await peer.roundTrip();
      peer.answerPings();
      await peer.roundTrip();
    }
    await peer.closed;
    expect(peer.of(FRAME.reset)[0]?.body.readUInt32BE()).toBe(CALM);
  });

  it("stays open as long as its pings are answered", async () => {
    const clock = new ManualClock();
    await begin({ clock, transport: { keepaliveTimeMs: 1_000, keepaliveTimeoutMs: 500 } }, data(OPEN));
    await peer.answered();
    for (let round = 1; round <= 3; round++) {
      clock.advance(1_000);
      await peer.until(() => peer.of(FRAME.ping).length === round);
      peer.answerPings();
      peer.socket.write(data(ping(BigInt(round + 1))));
      await peer.answered(round + 1);
    }
    clock.advance(1_000);
    expect(peer.socket.destroyed).toBe(false);
    clock.advance(500);
    await peer.closed;
  });

  it("gets GOAWAY at its age, and is closed after its grace", async () => {
    const clock = new ManualClock();
    const ages = { connectionAgeMs: 10_000, connectionGraceMs: 5_000 };
    await begin({ clock, transport: { ...ages, keepaliveTimeMs: 86_400_000 } }, data(OPEN));
    await peer.answered();
    clock.advance(8_900);
    peer.socket.write(data(ping(2n)));
    await peer.answered(2);
    expect(peer.fault).toBeUndefined();
    // The age is a tenth more or less.
    clock.advance(2_200);
    await peer.until(() => peer.fault !== undefined);
    expect(peer.fault).toBe(0);
    peer.socket.write(data(ping(3n)));
    await peer.answered(3);
    clock.advance(5_000);
    await peer.closed;
  });

  it("leaves neither a timer nor a count behind", async () => {
    const clock = new ManualClock();
    running = await startServer({ clock });
    const idle = clock.pending;
    peer = new Peer(running.port);
    peer.start(headers(), data(OPEN));
    await peer.answered();
    expect(clock.pending).toBeGreaterThan(idle);
    peer.socket.destroy();
    await running.server.drain();
    expect(clock.pending).toBe(0);
  });
});

function bytesOf(peer: Peer): number {
  return peer.of(FRAME.data).reduce((sum, { body }) => sum + body.length, 0);
}

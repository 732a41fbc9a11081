/** A connection with one stream against a peer that does everything that HTTP/2 allows, and some that it forbids. */

import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Http2Connection } from "../../../src/client/transport/http2-connection.ts";
import { GrpcFrame } from "../../../src/codec/framing/grpc-frame.ts";
import type { Headers } from "../../../src/http2/hpack.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { FLAG, FRAME, frame, headerBlock, PREFACE, uint32 } from "../../support/raw-http2.ts";

const PADDED = 8;
const PRIORITY = 0x20;
/** The peer's initial windows. */
const WINDOW_BYTES = 65_535;

/** The server's end, frame by frame. */
class Peer {
  readonly socket: Socket;
  /** The bytes of all DATA frames. */
  readonly data: Buffer[] = [];
  readonly frames: {
    readonly type: number;
    readonly flags: number;
    readonly streamId: number;
    readonly body: Buffer;
  }[] = [];
  #bytes = Buffer.alloc(0);
  #check = (): void => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#take();
      this.#check();
    });
  }

  #take(): void {
    if (this.#bytes.subarray(0, PREFACE.length).toString("latin1") === PREFACE) {
      this.#bytes = this.#bytes.subarray(PREFACE.length);
    }
    while (this.#bytes.length >= 9 && this.#bytes.length >= 9 + this.#bytes.readUIntBE(0, 3)) {
      const length = this.#bytes.readUIntBE(0, 3);
      const body = this.#bytes.subarray(9, 9 + length);
      const [type = 0, flags = 0] = this.#bytes.subarray(3, 5);
      this.frames.push({ type, flags, streamId: this.#bytes.readUInt32BE(5), body });
      if (type === FRAME.data) this.data.push(body);
      this.#bytes = this.#bytes.subarray(9 + length);
    }
  }

  get dataBytes(): number {
    return this.data.reduce((sum, { length }) => sum + length, 0);
  }

  until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#check = () => {
        if (done()) resolve();
      };
      this.#check();
    });
  }

  write(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }
}

const settings = (...pairs: readonly (readonly [number, number])[]): Buffer =>
  frame(
    FRAME.settings,
    0,
    0,
    Buffer.concat(
      pairs.map(([name, value]) => Buffer.concat([Buffer.of(name >> 8, name & 0xff), uint32(value)])),
    ),
  );
const RESPONSE = headerBlock({ ":status": "200", "content-type": "application/grpc" });
const response = frame(FRAME.headers, FLAG.endHeaders, 1, RESPONSE);
const data = (bytes: Uint8Array, flags = 0): Buffer => frame(FRAME.data, flags, 1, bytes);
const messageOf = (bytes: number): GrpcFrame => new GrpcFrame(Buffer.alloc(bytes, 7));

describe("Http2Connection", () => {
  let server: Server;
  let port = 0;
  let connection: Http2Connection;
  let peer: Peer;
  let received: Buffer[];
  let headers: Headers[];
  let partings: number;
  let closed: Promise<Error | undefined>;
  let drained: Promise<void>;
  /** Resolves when so many bytes of data have come. */
  let arrived: (bytes: number) => Promise<void>;

  beforeEach(async () => {
    server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address !== null && typeof address !== "string") port = address.port;
    await open();
  });
  afterEach(async () => {
    connection.destroy();
    peer.socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  async function open(): Promise<void> {
    received = [];
    headers = [];
    partings = 0;
    let check = (): void => {};
    const whenClosed = Promise.withResolvers<Error | undefined>();
    const whenDrained = Promise.withResolvers<void>();
    closed = whenClosed.promise;
    drained = whenDrained.promise;
    arrived = (bytes) =>
      new Promise((resolve) => {
        check = () => {
          if (received.reduce((sum, { length }) => sum + length, 0) >= bytes) resolve();
        };
        check();
      });
    const accepted = once(server, "connection");
    connection = new Http2Connection(
      {
        host: "127.0.0.1",
        port,
        headers: { ":authority": "a", ":method": "POST", ":scheme": "http", ":path": "/" },
        tls: undefined,
        windowBytes: WINDOW_BYTES + 1,
        sendQueueMaxBytes: 65_536,
        boundary: loudBoundary,
      },
      {
        data(bytes, from, to) {
          received.push(Buffer.from(bytes.subarray(from, to)));
          check();
        },
        headers: (some) => headers.push(some),
        drained: () => whenDrained.resolve(),
        goesAway: () => {
          partings += 1;
        },
        closed: (cause) => whenClosed.resolve(cause),
      },
    );
    const [socket] = await accepted;
    peer = new Peer(socket);
    peer.write(settings());
  }

  it("begins with its settings, its window and its headers, and acknowledges the peer's settings", async () => {
    await peer.until(() =>
      peer.frames.some(({ type, flags }) => type === FRAME.settings && flags === FLAG.ack),
    );
    expect(peer.frames.map(({ type, flags, streamId }) => [type, flags, streamId])).toEqual([
      [FRAME.settings, 0, 0],
      [FRAME.windowUpdate, 0, 0],
      [FRAME.headers, FLAG.endHeaders, 1],
      [FRAME.settings, FLAG.ack, 0],
    ]);
  });

  it("passes on the same bytes in whatever pieces the frames come", async () => {
    const content = Buffer.from(Array.from({ length: 700 }, (_, index) => index & 0xff));
    const padded = (bytes: Buffer, padding: number) =>
      data(Buffer.concat([Buffer.of(padding), bytes, Buffer.alloc(padding)]), PADDED);
    const stream = Buffer.concat([
      response,
      data(content.subarray(0, 100)),
      frame(FRAME.ping, 0, 0, Buffer.alloc(8, 1)),
      data(Buffer.alloc(0)),
      padded(content.subarray(100, 300), 9),
      frame(0x2, 0, 1, Buffer.alloc(5)), // PRIORITY
      frame(0xf0, 0, 1, Buffer.alloc(33)), // a type that nobody knows
      padded(content.subarray(300, 301), 0),
      data(content.subarray(301)),
    ]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: stream.length }), { maxLength: 12 }), async (cuts) => {
        connection.destroy();
        peer.socket.destroy();
        await open();
        let at = 0;
        for (const to of [...cuts, stream.length].sort((one, other) => one - other)) {
          peer.socket.write(stream.subarray(at, to));
          at = to;
          await new Promise((resolve) => setImmediate(resolve));
        }
        await arrived(content.length);
        expect(Buffer.compare(Buffer.concat(received), content)).toBe(0);
        await peer.until(() =>
          peer.frames.some(({ type, flags }) => type === FRAME.ping && flags === FLAG.ack),
        );
      }),
      { numRuns: 40 },
    );
  });

  it("reads headers that are padded, have a priority, and go on in other frames", async () => {
    const content = Buffer.concat([Buffer.of(3), Buffer.alloc(5), RESPONSE.subarray(0, 10), Buffer.alloc(3)]);
    peer.write(
      frame(FRAME.headers, PADDED | PRIORITY, 1, content),
      frame(FRAME.continuation, 0, 1, RESPONSE.subarray(10, 20)),
      frame(FRAME.continuation, FLAG.endHeaders, 1, RESPONSE.subarray(20)),
      data(Buffer.of(1)),
    );
    await arrived(1);
    expect(headers).toEqual([
      expect.objectContaining({ ":status": "200", "content-type": "application/grpc" }),
    ]);
  });

  it("closes without a fault where the stream ends, with data or with trailers", async () => {
    peer.write(
      response,
      frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, headerBlock({ "grpc-status": "0" })),
    );
    expect(await closed).toBeUndefined();
    expect(headers[1]?.["grpc-status"]).toBe("0");
    await open();
    peer.write(response, data(Buffer.of(1), FLAG.endStream));
    expect(await closed).toBeUndefined();
    expect(received.length).toBe(1);
  });

  it("sends no more than the peer's windows have room for, in frames that it takes", async () => {
    const bytes = 200_000;
    expect(connection.send(messageOf(bytes))).toBe(false);
    connection.send(messageOf(5));
    await peer.until(() => peer.dataBytes === WINDOW_BYTES);
    peer.write(frame(FRAME.windowUpdate, 0, 0, uint32(1_000_000)));
    peer.write(frame(FRAME.windowUpdate, 0, 1, uint32(10)));
    await peer.until(() => peer.dataBytes === WINDOW_BYTES + 10);
    // A change of the initial window counts for what was sent before it (RFC 9113, section 6.9.2).
    peer.write(settings([4, WINDOW_BYTES + 1_000], [5, 20_000]));
    await peer.until(() => peer.dataBytes === WINDOW_BYTES + 1_010);
    peer.write(frame(FRAME.windowUpdate, 0, 1, uint32(1_000_000)));
    await peer.until(() => peer.dataBytes === bytes + 5);
    await drained;
    expect(Math.max(...peer.data.map(({ length }) => length))).toBe(20_000);
    expect(Buffer.concat(peer.data).every((byte) => byte === 7)).toBe(true);
  });

  it("gives the peer room again for what it has read", async () => {
    peer.write(response);
    for (let sent = 0; sent < 40_000; sent += 10_000) peer.write(data(Buffer.alloc(10_000)));
    await arrived(40_000);
    await peer.until(() => peer.frames.filter(({ type }) => type === FRAME.windowUpdate).length === 3);
    const updates = peer.frames.filter(({ type }) => type === FRAME.windowUpdate).slice(1);
    expect(updates.map(({ streamId, body }) => [streamId, body.readUInt32BE()])).toEqual([
      [0, 40_000],
      [1, 40_000],
    ]);
  });

  it("goes on when the peer goes away after its stream, and ends when it goes away before", async () => {
    const goAway = (lastStreamId: number) => frame(7, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(0)]));
    peer.write(response, goAway(1), data(Buffer.of(1)));
    await arrived(1);
    expect(partings).toBe(1);
    peer.write(goAway(0));
    expect((await closed)?.message).toContain("goes away");
    expect(partings).toBe(1);
  });

  it.each([
    ["HTTP/1.1", Buffer.from("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")],
    ["a frame that is too long", data(Buffer.alloc(16_385))],
    ["data of another stream", frame(FRAME.data, 0, 3, Buffer.of(1))],
    ["headers of another stream", frame(FRAME.headers, FLAG.endHeaders, 3, RESPONSE)],
    [
      "headers that are not continued",
      Buffer.concat([frame(FRAME.headers, 0, 1, RESPONSE), data(Buffer.of(1))]),
    ],
    ["headers that did not begin", frame(FRAME.continuation, FLAG.endHeaders, 1, RESPONSE)],
    [
      "headers without an end",
      Buffer.concat([
        frame(FRAME.headers, 0, 1, RESPONSE),
        ...Array.from({ length: 6 }, () => frame(FRAME.continuation, 0, 1, Buffer.alloc(16_000))),
      ]),
    ],
    ["headers of a table that there is not", frame(FRAME.headers, FLAG.endHeaders, 1, Buffer.of(0xbe))],
    ["data that is all padding", data(Buffer.of(9, 0), PADDED)],
    ["headers that are all padding", frame(FRAME.headers, PADDED | FLAG.endHeaders, 1, Buffer.of(9, 0))],
    [
      "headers in endless pieces",
      Buffer.concat([
        frame(FRAME.headers, 0, 1, RESPONSE),
        ...Array.from({ length: 17 }, () => frame(FRAME.continuation, 0, 1)),
      ]),
    ],
    ["a push", frame(5, FLAG.endHeaders, 1, Buffer.alloc(4))],
    ["a ping of another size", frame(FRAME.ping, 0, 0, Buffer.alloc(7))],
    ["settings that are cut", frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
    ["a window of 2^32 - 1", settings([4, 0xffff_ffff])],
    ["frames of 5 bytes", settings([5, 5])],
    ["a window that grows by nothing", frame(FRAME.windowUpdate, 0, 1, uint32(0))],
    ["a window that grows beyond what there is", frame(FRAME.windowUpdate, 0, 0, uint32(0x7fff_ffff))],
    ["a reset", frame(FRAME.reset, 0, 1, uint32(8))],
  ])("ends with a fault at %s", async (_, bytes) => {
    peer.write(bytes);
    expect(await closed).toBeInstanceOf(Error);
    await new Promise((resolve) => peer.socket.once("close", resolve));
  });

  it("calls no handler after it was destroyed, though more has come", async () => {
    peer.write(response, data(Buffer.of(1)));
    await arrived(1);
    const gone = new Promise((resolve) => peer.socket.once("close", resolve));
    peer.write(data(Buffer.of(1)));
    connection.destroy();
    await gone;
    expect(received.length).toBe(1);
    expect(connection.send(messageOf(5))).toBe(true);
  });

  it("survives any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        connection.destroy();
        peer.socket.destroy();
        await open();
        peer.write(Buffer.from(bytes));
        peer.socket.end();
        await closed;
      }),
      { numRuns: 60 },
    );
  });
});

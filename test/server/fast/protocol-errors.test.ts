/** Single-stream connections that break HTTP/2: each gets the error that RFC 9113 or RFC 7541 names, and is closed. */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { errorCode, frameType, settings } from "../../../src/http2/frame.ts";
import { FLAG, FRAME, frame, headerBlock, uint32 } from "../../support/raw-http2.ts";
import {
  data,
  EXCHANGE,
  headers,
  OPEN,
  ping,
  repeated,
  SingleStreamPeer,
} from "../../support/single-stream-peer.ts";
import { surviveWith } from "../../support/survival.ts";

const PADDED = 8;
const WITH_PRIORITY = 0x20;
const {
  protocolError: protocol,
  flowControlError: flowControl,
  streamClosed,
  frameSizeError: size,
  compressionError: compression,
  enhanceYourCalm: calm,
} = errorCode;
const survivor = surviveWith({
  transport: { halfCloseMaxMs: 500, flowControlWindowBytes: 65_535, queueMaxBytes: 1_024 },
});
let peer: SingleStreamPeer;
afterEach(() => peer.socket.destroy());

const none = Buffer.alloc(0);
const setting = (id: number, value: number) => settings([[id, value]]);
const endedRequest = data(OPEN, FLAG.endStream);
const WINDOW_MAX = uint32(0x7fff_ffff);

/** A request with its pseudo-header fields, and behind them these bytes of a header block. */
const request = (more: Buffer, flags = FLAG.endHeaders): Buffer =>
  frame(FRAME.headers, flags, 1, Buffer.concat([headerBlock(EXCHANGE), more]));
const withField = (name: string, value: string): Buffer => request(headerBlock({ [name]: value }));
const without = (name: string): Buffer =>
  headers(Object.fromEntries(Object.entries(EXCHANGE).filter(([one]) => one !== name)));
const manyHeaders = (count: number) =>
  headerBlock(Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, "v"])));
const trailers = (fields: Readonly<Record<string, string>>, flags = FLAG.endHeaders | FLAG.endStream) =>
  frame(FRAME.headers, flags, 1, headerBlock(fields));

/** Requests whose answers wait, and then more than a window. */
function excess(): Buffer {
  const pings = Array.from({ length: 100 }, (_, index) => ping(BigInt(index + 2)));
  return Buffer.concat([data(OPEN), data(Buffer.concat(pings)), repeated(data(Buffer.alloc(16_000)), 5)]);
}

async function closedBy(...bytes: readonly Buffer[]): Promise<void> {
  peer = new SingleStreamPeer(survivor().running.port);
  // The client takes no answers, so that they wait, and requests behind them.
  peer.start(setting(4, 0), ...bytes);
  await peer.closed;
}

describe("a single-stream connection gets GOAWAY, before its stream began", () => {
  it.each([
    ["for data of the idle stream", protocol, data(OPEN)],
    ["for a reset of the idle stream", protocol, frame(FRAME.reset, 0, 1, uint32(8))],
    ["for a window update of the idle stream", protocol, frame(FRAME.windowUpdate, 0, 1, uint32(1))],
    ["for a continuation of no headers", protocol, frame(FRAME.continuation, FLAG.endHeaders, 1)],
    ["for headers of stream 0", protocol, frame(FRAME.headers, FLAG.endHeaders, 0, headerBlock(EXCHANGE))],
    ["for headers of stream 2", protocol, frame(FRAME.headers, FLAG.endHeaders, 2, headerBlock(EXCHANGE))],
    ["for headers that are all padding", protocol, frame(FRAME.headers, PADDED | 4, 1, Buffer.of(9, 0))],
    ["for headers with a part of a priority", size, frame(FRAME.headers, WITH_PRIORITY | 4, 1, uint32(0))],
    ["for headers that go on without end", calm, flooded(none)],
    ["for 63 KiB of headers (A9)", calm, headersOf(63 * 1_024)],
    ["for headers that go on beyond their size", calm, flooded(headerBlock({ "x-more": "v".repeat(100) }))],
    ["for an index into a table that is empty", compression, request(Buffer.of(0xbe))],
    ["for index 0", compression, request(Buffer.of(0x80))],
    ["for a table size in mid-block", compression, request(Buffer.of(0x20))],
    ["for a table that is larger than it may be", compression, tableSize(0x3f, 0xff, 0xff, 0x03)],
    ["for text that is cut off", compression, request(Buffer.of(0x00, 0x05, 0x61))],
    ["for text that is no Huffman code", compression, request(Buffer.of(0x00, 0x81, 0x00, 0x01, 0x61))],
  ])("%s", async (_, code, bytes) => {
    await closedBy(bytes);
    expect(peer.fault).toBe(code);
    expect(peer.resetCode).toBeUndefined();
  });
});

describe("a single-stream connection gets GOAWAY, beside its stream", () => {
  it.each([
    ["for a second stream", protocol, frame(FRAME.headers, FLAG.endHeaders, 3, headerBlock(EXCHANGE))],
    ["for data of another stream", protocol, frame(FRAME.data, 0, 3, Buffer.of(1))],
    ["for data of stream 0", protocol, frame(FRAME.data, 0, 0, Buffer.of(1))],
    ["for data that is all padding", protocol, data(Buffer.of(9, 0), PADDED)],
    ["for more data than it has room for", flowControl, excess()],
    ["for a frame that is too long", size, data(Buffer.alloc(16_385))],
    ["for headers that are not continued", protocol, Buffer.concat([frame(FRAME.headers, 1, 1), data(OPEN)])],
    [
      "for headers that are continued on another stream",
      protocol,
      Buffer.concat([frame(FRAME.headers, 1, 1), frame(FRAME.continuation, FLAG.endHeaders, 3)]),
    ],
    [
      "for an unknown frame between headers",
      protocol,
      Buffer.concat([frame(FRAME.headers, 1, 1), frame(0x16, 0, 0)]),
    ],
    ["for a reset of another stream", protocol, frame(FRAME.reset, 0, 3, uint32(8))],
    ["for a reset of a wrong length", size, frame(FRAME.reset, 0, 1, Buffer.alloc(3))],
    ["for a priority of stream 0", protocol, frame(frameType.priority, 0, 0, Buffer.alloc(5))],
    ["for a push", protocol, frame(frameType.pushPromise, FLAG.endHeaders, 1, Buffer.alloc(4))],
    ["for settings of a stream", protocol, frame(FRAME.settings, 0, 1)],
    ["for settings of a wrong length", size, frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
    ["for settings with too many entries", calm, settings(Array(33).fill([3, 1]))],
    ["for acknowledged settings with a payload", size, frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(6))],
    ["for settings acknowledged twice", protocol, repeated(frame(FRAME.settings, FLAG.ack, 0), 2)],
    ["for a push that is neither on nor off", protocol, setting(2, 2)],
    ["for an initial window beyond its range", flowControl, setting(4, 2 ** 31)],
    [
      "for an initial window that makes the stream's overflow",
      flowControl,
      Buffer.concat([frame(FRAME.windowUpdate, 0, 1, WINDOW_MAX), setting(4, 1)]),
    ],
    ["for frames that may be too small", protocol, setting(5, 16_383)],
    ["for frames that may be too large", protocol, setting(5, 2 ** 24)],
    ["for a ping of a stream", protocol, frame(FRAME.ping, 0, 1, Buffer.alloc(8))],
    ["for a ping of a wrong length", size, frame(FRAME.ping, 0, 0, Buffer.alloc(7))],
    ["for an answer to a ping, of a wrong length", size, frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(7))],
    ["for GOAWAY of a stream", protocol, frame(frameType.goAway, 0, 1, Buffer.alloc(8))],
    ["for GOAWAY of a wrong length", size, frame(frameType.goAway, 0, 0, Buffer.alloc(7))],
    ["for a window update of a wrong length", size, frame(FRAME.windowUpdate, 0, 1, Buffer.alloc(3))],
    ["for a window update of another stream", protocol, frame(FRAME.windowUpdate, 0, 3, uint32(1))],
    ["for a window update of 0 of the connection", protocol, frame(FRAME.windowUpdate, 0, 0, uint32(0))],
    [
      "for a window of the connection that overflows",
      flowControl,
      frame(FRAME.windowUpdate, 0, 0, WINDOW_MAX),
    ],
    ["for trailers that cannot be decoded", compression, frame(FRAME.headers, 5, 1, Buffer.of(0xbe))],
  ])("%s", async (_, code, bytes) => {
    await closedBy(headers(), bytes);
    expect(peer.fault).toBe(code);
    expect(peer.resetCode).toBeUndefined();
  });
});

describe("a single-stream connection gets RST_STREAM, and GOAWAY without an error", () => {
  it.each([
    ["for data behind the end", streamClosed, [headers(), endedRequest, data(OPEN)]],
    ["for headers behind the end", streamClosed, [headers(), endedRequest, trailers({ x: "y" })]],
    ["for headers that depend on themselves", protocol, [dependent()]],
    [
      "for a priority that depends on itself",
      protocol,
      [headers(), frame(frameType.priority, 0, 1, Buffer.concat([uint32(1), Buffer.of(0)]))],
    ],
    ["for a priority of a wrong length", size, [headers(), frame(frameType.priority, 0, 1, uint32(0))]],
    ["for a window update of 0", protocol, [headers(), frame(FRAME.windowUpdate, 0, 1, uint32(0))]],
    [
      "for a window that overflows",
      flowControl,
      [headers(), repeated(frame(FRAME.windowUpdate, 0, 1, WINDOW_MAX), 2)],
    ],
    ["for too many headers", calm, [request(manyHeaders(65))]],
    ["for a repeated pseudo-header", protocol, [twice(":path")]],
    ["for an unknown pseudo-header", protocol, [headers({ ":x": "y", ...EXCHANGE })]],
    ["for a pseudo-header of responses", protocol, [headers({ ":status": "200", ...EXCHANGE })]],
    ["for a pseudo-header behind others", protocol, [headers({ x: "y", ...EXCHANGE })]],
    ["for no :method", protocol, [without(":method")]],
    ["for no :scheme", protocol, [without(":scheme")]],
    ["for no :path", protocol, [without(":path")]],
    ["for an empty :path", protocol, [headers({ ...EXCHANGE, ":path": "" })]],
    ["for CONNECT with a path", protocol, [headers({ ...EXCHANGE, ":method": "CONNECT" })]],
    ["for an upper case name", protocol, [withField("X-Upper", "v")]],
    ["for an empty name", protocol, [withField("", "v")]],
    ["for a name with a colon", protocol, [withField("x:y", "v")]],
    ["for a value with a line feed", protocol, [withField("x", "a\nb")]],
    ["for a value with NUL", protocol, [withField("x", "a\0b")]],
    ["for a value that begins with a space", protocol, [withField("x", " v")]],
    ["for connection", protocol, [withField("connection", "close")]],
    ["for keep-alive", protocol, [withField("keep-alive", "1")]],
    ["for proxy-connection", protocol, [withField("proxy-connection", "close")]],
    ["for transfer-encoding", protocol, [withField("transfer-encoding", "chunked")]],
    ["for upgrade", protocol, [withField("upgrade", "h2c")]],
    ["for te other than trailers", protocol, [headers({ ...EXCHANGE, te: "gzip" })]],
    ["for a content-length that is no number", protocol, [withField("content-length", "-1")]],
    ["for more data than announced", protocol, [withField("content-length", "1"), data(OPEN)]],
    ["for less data than announced", protocol, [withField("content-length", "999"), endedRequest]],
    ["for no data, though announced", protocol, [request(headerBlock({ "content-length": "9" }), 5)]],
    ["for trailers with a pseudo-header", protocol, [headers(), data(OPEN), trailers({ ":path": "/" })]],
    ["for trailers that do not end the stream", protocol, [headers(), data(OPEN), trailers({ x: "y" }, 4)]],
  ])("%s", async (_, code, frames) => {
    await closedBy(...frames);
    expect(peer.resetCode).toBe(code);
    expect(peer.fault).toBe(errorCode.noError);
  });
});

describe("a single-stream connection", () => {
  it("takes what is unusual and right", async () => {
    const priority = Buffer.concat([uint32(0), Buffer.of(200)]);
    const block = headerBlock(EXCHANGE);
    peer = new SingleStreamPeer(survivor().running.port);
    peer.start(
      frame(frameType.priority, 0, 1, priority),
      frame(frameType.priority, 0, 7, priority),
      frame(0x16, 0xff, 9, Buffer.alloc(100)),
      frame(FRAME.headers, WITH_PRIORITY, 1, Buffer.concat([priority, Buffer.of(0x3f, 0x61), block])),
      frame(FRAME.continuation, 0, 1),
      frame(FRAME.continuation, FLAG.endHeaders, 1, headerBlock({ "content-length": "12" })),
      frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8)),
      frame(FRAME.settings, FLAG.ack, 0),
      data(Buffer.concat([Buffer.of(2), OPEN, Buffer.alloc(2)]), PADDED),
    );
    expect(OPEN).toHaveLength(12);
    await peer.answered();
    peer.socket.write(trailers({ "x-trailer": "v" }));
    await peer.closed;
    expect([peer.fault, peer.resetCode]).toEqual([errorCode.noError, undefined]);
  });

  it("is closed when it announces a single stream and opens none", async () => {
    peer = new SingleStreamPeer(survivor().running.port);
    peer.start();
    await peer.closed;
  });

  it("gets UNIMPLEMENTED for a method that it does not serve", async () => {
    for (const fields of [{ ":path": "/x" }, { "content-type": "application/grpc;by=x" }]) {
      peer = new SingleStreamPeer(survivor().running.port);
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
          peer = new SingleStreamPeer(survivor().running.port);
          peer.start(...(begun ? [headers(), data(OPEN)] : []), Buffer.from(bytes));
          peer.socket.end();
          await peer.closed;
        },
      ),
      { numRuns: 100 },
    );
  });
});

function flooded(piece: Buffer): Buffer {
  return Buffer.concat([frame(FRAME.headers, 0, 1), repeated(frame(FRAME.continuation, 0, 1, piece), 200)]);
}

function headersOf(bytes: number): Buffer {
  const pieces = Array.from({ length: Math.ceil(bytes / 16_384) }, (_, index) =>
    frame(index === 0 ? FRAME.headers : FRAME.continuation, 0, 1, Buffer.alloc(16_384)),
  );
  return Buffer.concat(pieces);
}

function tableSize(...update: readonly number[]): Buffer {
  return frame(
    FRAME.headers,
    FLAG.endHeaders,
    1,
    Buffer.concat([Buffer.from(update), headerBlock(EXCHANGE)]),
  );
}

function twice(name: ":path"): Buffer {
  const fields = Buffer.concat([headerBlock({ [name]: EXCHANGE[name] }), headerBlock(EXCHANGE)]);
  return frame(FRAME.headers, FLAG.endHeaders, 1, fields);
}

function dependent(): Buffer {
  const fields = Buffer.concat([uint32(1), Buffer.of(0), headerBlock(EXCHANGE)]);
  return frame(FRAME.headers, FLAG.endHeaders | WITH_PRIORITY, 1, fields);
}

/** Connections with many streams that break HTTP/2: each gets the error that RFC 9113 or RFC 7541 names. */
import { afterEach, describe, expect, it } from "vitest";
import { errorCode, frameType, PREFACE, setting, settings } from "../../../src/http2/frame.ts";
import {
  body,
  call,
  GET,
  GREETING,
  ManyStreamsPeer,
  open,
  reset,
  update,
} from "../../support/many-streams-peer.ts";
import { CALL_HEADERS, FLAG, FRAME, frame, headerBlock, uint32 } from "../../support/raw-http2.ts";
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
const survivor = surviveWith({ transport: { halfCloseMaxMs: 5_000, flowControlWindowBytes: 65_535 } });
let peer: ManyStreamsPeer;
afterEach(() => {
  peer.socket.destroy();
  expect(survivor().log).toEqual([]);
});

const connect = (): ManyStreamsPeer => {
  peer = new ManyStreamsPeer(survivor().running.port);
  return peer;
};
const raw = (id: number, more: Buffer, flags = FLAG.endHeaders): Buffer =>
  frame(FRAME.headers, flags, id, Buffer.concat([headerBlock(CALL_HEADERS), more]));
const withField = (name: string, value: string): Buffer => raw(3, headerBlock({ [name]: value }));
const without = (name: string): Buffer =>
  open(3, Object.fromEntries(Object.entries(CALL_HEADERS).filter(([one]) => one !== name)));
const trailers = (id: number, fields: Readonly<Record<string, string>>, flags = 5): Buffer =>
  frame(FRAME.headers, flags, id, headerBlock(fields));
const WINDOW_MAX = 0x7fff_ffff;
const begun = frame(FRAME.headers, 0, 3, headerBlock(CALL_HEADERS));

describe("the preface", () => {
  it("may come in pieces", async () => {
    const bytes = Buffer.concat([GREETING, call(1)]);
    connect();
    for (const byte of bytes) {
      peer.send(Buffer.of(byte));
      // The server reads it alone.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await peer.ended(1);
    expect(peer.statusOf(1)).toBe("0");
  });

  it.each([
    ["that is another protocol's", Buffer.from("GET / HTTP/1.1\r\nHost: test\r\n\r\n")],
    ["that is wrong at its end", Buffer.concat([PREFACE.subarray(0, 23), Buffer.of(0), frame(4, 0, 0)])],
  ])("%s gets GOAWAY", async (_, bytes) => {
    connect().send(bytes);
    await peer.closed;
    expect(peer.goAways).toEqual([[0, protocol]]);
  });

  it.each([
    ["PING", frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ["a call", call(1)],
    ["DATA", body(1, GET)],
    ["acknowledged settings", frame(FRAME.settings, FLAG.ack, 0)],
    ["an unknown frame", frame(0x16, 0, 0)],
  ])("is followed by settings: %s gets GOAWAY", async (_, bytes) => {
    connect().send(PREFACE, bytes);
    await peer.closed;
    expect(peer.goAways).toEqual([[0, protocol]]);
    expect(peer.of(FRAME.headers)).toEqual([]);
  });
});

describe("the connection gets GOAWAY with the last stream", () => {
  it.each([
    ["for headers of stream 0", protocol, open(0)],
    ["for headers of an even stream", protocol, open(4)],
    ["for headers of an even stream that is lower", protocol, open(2)],
    ["for headers of a stream that was passed over", protocol, Buffer.concat([open(7), open(5)])],
    ["for data of stream 0", protocol, body(0, GET)],
    ["for data of a stream that has not begun", protocol, body(9, GET)],
    ["for data of an even stream", protocol, body(2, GET)],
    ["for a reset of a stream that has not begun", protocol, reset(9)],
    ["for a reset of a wrong length", size, frame(FRAME.reset, 0, 1, Buffer.alloc(3))],
    ["for a window update of a stream that has not begun", protocol, update(9, 1)],
    ["for a window update of a wrong length", size, frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(3))],
    ["for a window update of 0", protocol, update(0, 0)],
    ["for a window that overflows", flowControl, Buffer.concat([update(0, WINDOW_MAX), update(0, 1)])],
    ["for a continuation of no headers", protocol, frame(FRAME.continuation, FLAG.endHeaders, 1)],
    [
      "for a continuation of another stream",
      protocol,
      Buffer.concat([begun, frame(FRAME.continuation, FLAG.endHeaders, 1)]),
    ],
    ["for data between headers", protocol, Buffer.concat([begun, body(3, GET)])],
    ["for headers between headers", protocol, Buffer.concat([begun, open(5)])],
    [
      "for a ping between headers",
      protocol,
      Buffer.concat([begun, frame(FRAME.ping, 0, 0, Buffer.alloc(8))]),
    ],
    ["for an unknown frame between headers", protocol, Buffer.concat([begun, frame(0x16, 0, 0)])],
    [
      "for headers that go on without end",
      calm,
      Buffer.concat([begun, ...Array(20).fill(frame(FRAME.continuation, 0, 3))]),
    ],
    ["for headers that are all padding", protocol, frame(FRAME.headers, PADDED | 4, 3, Buffer.of(9, 0))],
    ["for headers with a part of a priority", size, frame(FRAME.headers, WITH_PRIORITY | 4, 3, uint32(0))],
    ["for headers that cannot be decoded", compression, raw(3, Buffer.of(0x80))],
    ["for headers beyond the table", compression, raw(3, Buffer.of(0xff, 0x80, 0x01))],
    ["for data that is all padding", protocol, Buffer.concat([open(3), body(3, Buffer.of(9, 0), PADDED)])],
    ["for a frame that is too long", size, Buffer.concat([open(3), body(3, Buffer.alloc(16_385))])],
    ["for a push", protocol, frame(frameType.pushPromise, FLAG.endHeaders, 1, Buffer.alloc(4))],
    ["for settings of a stream", protocol, frame(FRAME.settings, 0, 1)],
    ["for settings of a wrong length", size, frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
    ["for settings with too many entries", calm, settings(Array(33).fill([3, 1]))],
    ["for acknowledged settings with a payload", size, frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(6))],
    ["for settings acknowledged twice", protocol, Buffer.concat(Array(2).fill(frame(FRAME.settings, 1, 0)))],
    ["for a push that is neither on nor off", protocol, settings([[setting.enablePush, 2]])],
    ["for an initial window beyond its range", flowControl, settings([[setting.initialWindowSize, 2 ** 31]])],
    ["for frames that may be too small", protocol, settings([[setting.maxFrameSize, 16_383]])],
    ["for frames that may be too large", protocol, settings([[setting.maxFrameSize, 2 ** 24]])],
    ["for a ping of a stream", protocol, frame(FRAME.ping, 0, 1, Buffer.alloc(8))],
    ["for a ping of a wrong length", size, frame(FRAME.ping, 0, 0, Buffer.alloc(7))],
    ["for GOAWAY of a stream", protocol, frame(frameType.goAway, 0, 1, Buffer.alloc(8))],
    ["for GOAWAY of a wrong length", size, frame(frameType.goAway, 0, 0, Buffer.alloc(7))],
    ["for a priority of stream 0", protocol, frame(frameType.priority, 0, 0, Buffer.alloc(5))],
  ])("%s", async (_, code, bytes) => {
    connect().send(GREETING, open(1), bytes);
    await peer.closed;
    const [last = 0] = peer.goAways[0] ?? [];
    expect(peer.goAways).toEqual([[last, code]]);
    expect(last).toBeGreaterThanOrEqual(1);
    expect(last % 2).toBe(1);
  });
});

describe("a stream is reset, and the others and the connection go on", () => {
  it.each([
    ["for data behind its end", streamClosed, [open(3), body(3, GET.subarray(0, 4)), body(3, GET)]],
    ["for headers that depend on themselves", protocol, [dependent()]],
    ["for a priority that depends on itself", protocol, [open(3), priority(3)]],
    ["for a priority of a wrong length", size, [open(3), frame(frameType.priority, 0, 3, uint32(0))]],
    ["for a window update of 0", protocol, [open(3), update(3, 0)]],
    ["for a window that overflows", flowControl, [open(3), update(3, WINDOW_MAX), update(3, WINDOW_MAX)]],
    ["for too many headers", calm, [raw(3, many(65))]],
    [
      "for a repeated pseudo-header",
      protocol,
      [frame(1, 4, 3, Buffer.concat([headerBlock({ ":path": "/" }), headerBlock(CALL_HEADERS)]))],
    ],
    ["for an unknown pseudo-header", protocol, [open(3, { ":x": "y", ...CALL_HEADERS })]],
    ["for a pseudo-header behind others", protocol, [open(3, { x: "y", ...CALL_HEADERS })]],
    ["for no :method", protocol, [without(":method")]],
    ["for no :scheme", protocol, [without(":scheme")]],
    ["for no :path", protocol, [without(":path")]],
    ["for an empty :path", protocol, [open(3, { ...CALL_HEADERS, ":path": "" })]],
    ["for an upper case name", protocol, [withField("X-Upper", "v")]],
    ["for a value with a line feed", protocol, [withField("x", "a\nb")]],
    ["for connection", protocol, [withField("connection", "close")]],
    ["for transfer-encoding", protocol, [withField("transfer-encoding", "chunked")]],
    ["for te other than trailers", protocol, [open(3, { ...CALL_HEADERS, te: "gzip" })]],
    ["for a content-length that is no number", protocol, [withField("content-length", "-1")]],
    [
      "for two lengths",
      protocol,
      [raw(3, Buffer.concat(Array(2).fill(headerBlock({ "content-length": "9" }))))],
    ],
    ["for more data than announced", protocol, [withField("content-length", "1"), body(3, GET)]],
    ["for less data than announced", protocol, [withField("content-length", "999"), body(3, GET)]],
    [
      "for less data than announced, before trailers",
      protocol,
      [withField("content-length", "999"), trailers(3, {})],
    ],
    ["for no data, though announced", protocol, [raw(3, headerBlock({ "content-length": "9" }), 5)]],
    [
      "for trailers with a pseudo-header",
      protocol,
      [open(3), body(3, GET, 0), trailers(3, { ":path": "/" })],
    ],
    [
      "for trailers that do not end the stream",
      protocol,
      [open(3), body(3, GET, 0), trailers(3, { x: "y" }, 4)],
    ],
  ])("%s", async (_, code, frames) => {
    connect().send(GREETING, open(1), ...frames);
    await peer.ended(3);
    expect(peer.resetOf(3)).toBe(code);
    // Its frames that were on their way are ignored, and tables of headers stay alike.
    peer.send(
      body(3, Buffer.alloc(100)),
      trailers(3, { x: "y" }),
      update(3, 1),
      reset(3),
      body(1, GET),
      call(5),
    );
    await peer.ended(1, 5);
    expect([peer.statusOf(1), peer.statusOf(5)]).toEqual(["0", "0"]);
    expect(peer.of(FRAME.reset)).toHaveLength(1);
    expect(peer.goAways).toEqual([]);
  });
});

describe("what is unusual and right", () => {
  it("is taken", async () => {
    const parent = Buffer.concat([uint32(0), Buffer.of(200)]);
    connect().send(
      GREETING,
      frame(frameType.priority, 0, 7, parent),
      frame(0x16, 0xff, 9, Buffer.alloc(100)),
      frame(
        FRAME.headers,
        WITH_PRIORITY | PADDED,
        1,
        Buffer.concat([Buffer.of(3), parent, headerBlock(CALL_HEADERS), Buffer.alloc(3)]),
      ),
      frame(FRAME.continuation, 0, 1),
      frame(FRAME.continuation, FLAG.endHeaders, 1, headerBlock({ "content-length": String(GET.length) })),
      frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8)),
      frame(FRAME.settings, FLAG.ack, 0),
      body(1, Buffer.alloc(1), PADDED),
      body(1, Buffer.concat([Buffer.of(2), GET, Buffer.alloc(2)]), PADDED),
      trailers(1, { "x-trailer": "v" }),
      // Ids may be passed over.
      call(101),
    );
    await peer.ended(1, 101);
    expect([peer.statusOf(1), peer.statusOf(101)]).toEqual(["0", "0"]);
    expect([peer.of(FRAME.reset), peer.goAways]).toEqual([[], []]);
  });
});

describe("a stream that has ended", () => {
  it.each([
    ["data", streamClosed, body(1, GET)],
    ["headers", streamClosed, open(1)],
  ])("gets an error for %s", async (_, code, bytes) => {
    connect().send(GREETING, call(1));
    await peer.ended(1);
    peer.send(bytes, call(3));
    await peer.ended(3);
    if (peer.goAways.length > 0) expect(peer.fault).toBe(code);
    else expect(peer.resetOf(1)).toBe(code);
  });

  it("may still get window updates, priorities and resets", async () => {
    connect().send(GREETING, call(1));
    await peer.ended(1);
    peer.send(update(1, 1), frame(frameType.priority, 0, 1, Buffer.alloc(5)), reset(1), call(3));
    await peer.ended(3);
    expect([peer.statusOf(3), peer.of(FRAME.reset), peer.goAways]).toEqual(["0", [], []]);
  });
});

function many(count: number): Buffer {
  return headerBlock(Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, "v"])));
}

function priority(id: number): Buffer {
  return frame(frameType.priority, 0, id, Buffer.concat([uint32(id), Buffer.of(0)]));
}

function dependent(): Buffer {
  const fields = Buffer.concat([uint32(3), Buffer.of(0), headerBlock(CALL_HEADERS)]);
  return frame(FRAME.headers, FLAG.endHeaders | WITH_PRIORITY, 3, fields);
}

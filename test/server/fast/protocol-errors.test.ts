/** Connections that break HTTP/2, of both kinds: each gets the error that RFC 9113 or RFC 7541 names. */
import { afterEach, describe, expect, it } from "vitest";
import { DEFAULT_WINDOW_BYTES, errorCode, frameType, setting, settings } from "../../../src/http2/frame.ts";
import {
  CONNECTION_KINDS,
  type ConnectionKind,
  MANY_STREAMS,
  SINGLE_STREAM,
} from "../../support/connection-kinds.ts";
import { body, call, GET, ManyStreamsPeer, reset, update } from "../../support/many-streams-peer.ts";
import { FLAG, FRAME, frame, headerBlock, uint32 } from "../../support/raw-http2.ts";
import { surviveWith } from "../../support/survival.ts";

/** `bytes`: of one or several frames. */
type Case = readonly [title: string, code: number, bytes: Buffer | readonly Buffer[]];

const PADDED = 8;
const WITH_PRIORITY = 0x20;
const WINDOW_MAX = 0x7fff_ffff;
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

const PING = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
const UNKNOWN = frame(0x16, 0, 0);
const ACK = frame(FRAME.settings, FLAG.ack, 0);
const initialWindow = (bytes: number): Buffer => settings([[setting.initialWindowSize, bytes]]);
const priority = (id: number, parent: number): Buffer =>
  frame(frameType.priority, 0, id, Buffer.concat([uint32(parent), Buffer.of(0)]));
const manyFields = (count: number): Buffer =>
  headerBlock(Object.fromEntries(Array.from({ length: count }, (_, index) => [`x-${index}`, "v"])));

function send(kind: ConnectionKind, bytes: Buffer | readonly Buffer[], ...before: readonly Buffer[]): void {
  peer = new ManyStreamsPeer(survivor().running.port);
  peer.send(kind.greeting, ...before, ...(Buffer.isBuffer(bytes) ? [bytes] : bytes));
}

async function expectGoAway(code: number): Promise<void> {
  await peer.closed;
  const [last = 0] = peer.goAways[0] ?? [];
  expect(peer.goAways).toEqual([[last, code]]);
  expect(last % 2).toBe(1);
  expect(peer.of(FRAME.reset)).toEqual([]);
}

const beforeItBegan = (kind: ConnectionKind): Case[] => [
  ["for data of the idle stream", protocol, kind.data(kind.message)],
  ["for a reset of the idle stream", protocol, reset(kind.id)],
  ["for a window update of the idle stream", protocol, kind.update(1)],
  ["for a continuation of no headers", protocol, frame(FRAME.continuation, FLAG.endHeaders, kind.id)],
  ["for headers of stream 0", protocol, frame(FRAME.headers, FLAG.endHeaders, 0, headerBlock(kind.fields))],
  ["for headers of stream 2", protocol, frame(FRAME.headers, FLAG.endHeaders, 2, headerBlock(kind.fields))],
  ["for headers that are all padding", protocol, kind.block(Buffer.of(9, 0), PADDED | FLAG.endHeaders)],
  ["for headers with a part of a priority", size, kind.block(uint32(0), WITH_PRIORITY | FLAG.endHeaders)],
  [
    "for headers that go on without end",
    calm,
    [kind.openWith(Buffer.alloc(0), 0), ...Array(200).fill(frame(FRAME.continuation, 0, kind.id))],
  ],
  ["for an index into a table that is empty", compression, kind.openWith(Buffer.of(0xbe))],
  ["for an index beyond the table", compression, kind.openWith(Buffer.of(0xff, 0x80, 0x01))],
  ["for index 0", compression, kind.openWith(Buffer.of(0x80))],
  ["for a table size in mid-block", compression, kind.openWith(Buffer.of(0x20))],
  ["for a table that is larger than it may be", compression, kind.block(Buffer.of(0x3f, 0xff, 0xff, 0x03))],
  ["for text that is cut off", compression, kind.openWith(Buffer.of(0x00, 0x05, 0x61))],
  ["for text that is no Huffman code", compression, kind.openWith(Buffer.of(0x00, 0x81, 0x00, 0x01, 0x61))],
  ...[
    ["data", kind.data(kind.message)] as const,
    ["headers", kind.open()] as const,
    ["a ping", PING] as const,
    ["an unknown frame", UNKNOWN] as const,
    ["a continuation of another stream", frame(FRAME.continuation, FLAG.endHeaders, kind.idle)] as const,
  ].map(
    ([what, bytes]): Case => [
      `for ${what} between headers`,
      protocol,
      [kind.openWith(Buffer.alloc(0), 0), bytes],
    ],
  ),
];

const besideIt = (kind: ConnectionKind): Case[] => {
  const begun = kind.block(Buffer.alloc(0), FLAG.endStream);
  return [
    ["for data of a stream that has not begun", protocol, body(kind.idle, Buffer.of(1), 0)],
    ["for data of an even stream", protocol, body(2, Buffer.of(1), 0)],
    ["for data of stream 0", protocol, body(0, Buffer.of(1), 0)],
    ["for data that is all padding", protocol, kind.data(Buffer.of(9, 0), PADDED)],
    ["for a frame that is too long", size, kind.data(Buffer.alloc(16_385))],
    ["for a continuation of no headers", protocol, frame(FRAME.continuation, FLAG.endHeaders, kind.id)],
    ["for trailers that are not continued", protocol, [begun, kind.data(kind.message)]],
    [
      "for trailers that are continued on another stream",
      protocol,
      [begun, frame(FRAME.continuation, FLAG.endHeaders, kind.idle)],
    ],
    ["for an unknown frame between trailers", protocol, [begun, UNKNOWN]],
    ["for trailers that cannot be decoded", compression, kind.block(Buffer.of(0xbe), 5)],
    ["for a reset of a stream that has not begun", protocol, reset(kind.idle)],
    ["for a reset of a wrong length", size, frame(FRAME.reset, 0, kind.id, Buffer.alloc(3))],
    ["for a priority of stream 0", protocol, priority(0, 0)],
    ["for a push", protocol, frame(frameType.pushPromise, FLAG.endHeaders, kind.id, Buffer.alloc(4))],
    ["for GOAWAY of a stream", protocol, frame(frameType.goAway, 0, kind.id, Buffer.alloc(8))],
    ["for GOAWAY of a wrong length", size, frame(frameType.goAway, 0, 0, Buffer.alloc(7))],
    ["for a ping of a stream", protocol, frame(FRAME.ping, 0, kind.id, Buffer.alloc(8))],
    ["for a ping of a wrong length", size, frame(FRAME.ping, 0, 0, Buffer.alloc(7))],
    ["for an answer to a ping, of a wrong length", size, frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(7))],
  ];
};

const withSettings = (kind: ConnectionKind): Case[] => [
  ["for settings of a stream", protocol, frame(FRAME.settings, 0, kind.id)],
  ["for settings of a wrong length", size, frame(FRAME.settings, 0, 0, Buffer.alloc(5))],
  ["for settings with too many entries", calm, settings(Array(33).fill([3, 1]))],
  ["for acknowledged settings with a payload", size, frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(6))],
  ["for settings acknowledged twice", protocol, [ACK, ACK]],
  ["for a push that is neither on nor off", protocol, settings([[setting.enablePush, 2]])],
  ["for frames that may be too small", protocol, settings([[setting.maxFrameSize, 16_383]])],
  ["for frames that may be too large", protocol, settings([[setting.maxFrameSize, 2 ** 24]])],
  ["for an initial window beyond its range", flowControl, initialWindow(2 ** 31)],
  [
    "for an initial window that makes the stream's overflow",
    flowControl,
    [initialWindow(0), kind.update(WINDOW_MAX), initialWindow(1)],
  ],
  ["for a window update of a wrong length", size, frame(FRAME.windowUpdate, 0, kind.id, Buffer.alloc(3))],
  [
    "for a window update of the connection, of a wrong length",
    size,
    frame(FRAME.windowUpdate, 0, 0, Buffer.alloc(3)),
  ],
  ["for a window update of a stream that has not begun", protocol, update(kind.idle, 1)],
  ["for a window update of 0 of the connection", protocol, update(0, 0)],
  ["for a window of the connection that overflows", flowControl, update(0, WINDOW_MAX)],
];

const ofItsFields = (kind: ConnectionKind): Case[] => {
  const twice = Buffer.concat([headerBlock({ ":path": "/" }), headerBlock(kind.fields)]);
  const length = headerBlock({ "content-length": "9" });
  return [
    ["for too many headers", calm, kind.openWith(manyFields(65))],
    ["for a repeated pseudo-header", protocol, kind.block(twice)],
    ["for an unknown pseudo-header", protocol, kind.open({ ":x": "y", ...kind.fields })],
    ["for a pseudo-header of responses", protocol, kind.open({ ":status": "200", ...kind.fields })],
    ["for a pseudo-header behind others", protocol, kind.open({ x: "y", ...kind.fields })],
    ["for no :method", protocol, kind.without(":method")],
    ["for no :scheme", protocol, kind.without(":scheme")],
    ["for no :path", protocol, kind.without(":path")],
    ["for an empty :path", protocol, kind.open({ ...kind.fields, ":path": "" })],
    ["for CONNECT with a path", protocol, kind.open({ ...kind.fields, ":method": "CONNECT" })],
    ["for an upper case name", protocol, kind.withField("X-Upper", "v")],
    ["for an empty name", protocol, kind.withField("", "v")],
    ["for a name with a colon", protocol, kind.withField("x:y", "v")],
    ["for a value with a line feed", protocol, kind.withField("x", "a\nb")],
    ["for a value with NUL", protocol, kind.withField("x", "a\0b")],
    ["for connection", protocol, kind.withField("connection", "close")],
    ["for keep-alive", protocol, kind.withField("keep-alive", "1")],
    ["for proxy-connection", protocol, kind.withField("proxy-connection", "close")],
    ["for transfer-encoding", protocol, kind.withField("transfer-encoding", "chunked")],
    ["for upgrade", protocol, kind.withField("upgrade", "h2c")],
    ["for te other than trailers", protocol, kind.open({ ...kind.fields, te: "gzip" })],
    ["for a content-length that is no number", protocol, kind.withField("content-length", "-1")],
    ["for two lengths", protocol, kind.openWith(Buffer.concat([length, length]))],
    ["for no data, though announced", protocol, kind.openWith(length, FLAG.endHeaders | FLAG.endStream)],
  ];
};

const ofItsFrames = (kind: ConnectionKind): Case[] => {
  const open = kind.open();
  const message = kind.data(kind.message);
  // The peer takes no answer, so that the stream is still open.
  const ended = [initialWindow(0), open, kind.data(kind.message, FLAG.endStream)];
  const again = initialWindow(DEFAULT_WINDOW_BYTES);
  const dependent = Buffer.concat([uint32(kind.id), Buffer.of(0), headerBlock(kind.fields)]);
  const long = kind.withField("content-length", "999");
  return [
    ["for data behind its end", streamClosed, [...ended, message, again]],
    ["for headers behind its end", streamClosed, [...ended, kind.trailers({ x: "y" }), again]],
    [
      "for headers that depend on themselves",
      protocol,
      kind.block(dependent, FLAG.endHeaders | WITH_PRIORITY),
    ],
    ["for a priority that depends on itself", protocol, [open, priority(kind.id, kind.id)]],
    ["for a priority of a wrong length", size, [open, frame(frameType.priority, 0, kind.id, uint32(0))]],
    ["for a window update of 0", protocol, [open, kind.update(0)]],
    ["for a window that overflows", flowControl, [open, kind.update(WINDOW_MAX), kind.update(WINDOW_MAX)]],
    ["for more data than announced", protocol, [kind.withField("content-length", "1"), message]],
    ["for less data than announced", protocol, [long, kind.data(kind.message, FLAG.endStream)]],
    ["for less data than announced, before trailers", protocol, [long, kind.trailers({})]],
    ["for trailers with a pseudo-header", protocol, [open, message, kind.trailers({ ":path": "/" })]],
    [
      "for trailers that do not end the stream",
      protocol,
      [open, message, kind.trailers({ x: "y" }, FLAG.endHeaders)],
    ],
  ];
};

describe.each(CONNECTION_KINDS)("a connection of %s gets GOAWAY", (_, kind) => {
  it.each(beforeItBegan(kind))("before its stream began, %s", async (_title, code, bytes) => {
    send(kind, bytes);
    await expectGoAway(code);
  });

  it.each([...besideIt(kind), ...withSettings(kind)])(
    "beside its stream, %s",
    async (_title, code, bytes) => {
      send(kind, bytes, kind.open());
      await expectGoAway(code);
    },
  );
});

describe("a single stream is reset, and its connection ends without an error", () => {
  it.each([...ofItsFields(SINGLE_STREAM), ...ofItsFrames(SINGLE_STREAM)])("%s", async (_, code, bytes) => {
    send(SINGLE_STREAM, bytes);
    await peer.closed;
    expect(peer.resetOf(1)).toBe(code);
    expect(peer.goAways).toEqual([[1, errorCode.noError]]);
  });
});

describe("one of many streams is reset, and the others and the connection go on", () => {
  it.each([...ofItsFields(MANY_STREAMS), ...ofItsFrames(MANY_STREAMS)])("%s", async (_, code, bytes) => {
    const { id } = MANY_STREAMS;
    send(MANY_STREAMS, bytes);
    await peer.ended(id);
    expect(peer.resetOf(id)).toBe(code);
    // Its frames that were on their way are ignored, and tables of headers stay alike.
    peer.send(
      body(id, Buffer.alloc(100)),
      MANY_STREAMS.trailers({ x: "y" }),
      update(id, 1),
      reset(id),
      body(1, GET),
      call(5),
    );
    await peer.ended(1, 5);
    expect([peer.statusOf(1), peer.statusOf(5)]).toEqual(["0", "0"]);
    expect(peer.of(FRAME.reset)).toHaveLength(1);
    expect(peer.goAways).toEqual([]);
  });
});

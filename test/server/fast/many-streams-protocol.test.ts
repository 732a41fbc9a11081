/** What a client may do with HTTP/2 on a connection with many streams, beside the errors that are the same with a single one. */
import { afterEach, describe, expect, it } from "vitest";
import { errorCode, frameType, PREFACE } from "../../../src/http2/frame.ts";
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
const { protocolError: protocol, streamClosed } = errorCode;
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
    ["for headers of an even stream", protocol, open(4)],
    ["for headers of a stream that was passed over", protocol, Buffer.concat([open(7), open(5)])],
  ])("%s", async (_, code, bytes) => {
    connect().send(GREETING, open(1), bytes);
    await peer.closed;
    const [last = 0] = peer.goAways[0] ?? [];
    expect(peer.goAways).toEqual([[last, code]]);
    expect(last).toBeGreaterThanOrEqual(1);
    expect(last % 2).toBe(1);
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
      frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, headerBlock({ "x-trailer": "v" })),
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

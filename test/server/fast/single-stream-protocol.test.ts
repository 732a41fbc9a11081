/** What a client may do with HTTP/2 on a connection of a single stream, beside the errors that are the same with many. */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { errorCode, frameType, setting, settings } from "../../../src/http2/frame.ts";
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
const { protocolError: protocol, flowControlError: flowControl, enhanceYourCalm: calm } = errorCode;
const survivor = surviveWith({
  transport: { halfCloseMaxMs: 500, flowControlWindowBytes: 65_535, queueMaxBytes: 1_024 },
});
let peer: SingleStreamPeer;
afterEach(() => peer.socket.destroy());

const started = (...bytes: readonly Buffer[]): SingleStreamPeer => {
  peer = new SingleStreamPeer(survivor().running.port);
  peer.start(...bytes);
  return peer;
};

describe("a connection of a single stream gets GOAWAY", () => {
  it.each([
    ["for a second stream", protocol, [headers(), frame(FRAME.headers, 4, 3, headerBlock(EXCHANGE))]],
    ["for 63 KiB of headers (A9)", calm, headersOf(63 * 1_024)],
    ["for headers that go on beyond their size", calm, longHeaders()],
    ["for more data than it has room for", flowControl, excess()],
  ])("%s", async (_, code, frames) => {
    // The client takes no answers, so that they wait, and requests behind them.
    started(settings([[setting.initialWindowSize, 0]]), ...frames);
    await peer.closed;
    expect([peer.fault, peer.resetCode]).toEqual([code, undefined]);
  });
});

describe("a single stream", () => {
  it("is reset for a value that begins with a space", async () => {
    started(headers({ ...EXCHANGE, x: " v" }));
    await peer.closed;
    expect([peer.fault, peer.resetCode]).toEqual([errorCode.noError, protocol]);
  });

  it("takes what is unusual and right", async () => {
    const priority = Buffer.concat([uint32(0), Buffer.of(200)]);
    const block = headerBlock(EXCHANGE);
    started(
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
    peer.socket.write(
      frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, headerBlock({ "x-trailer": "v" })),
    );
    await peer.closed;
    expect([peer.fault, peer.resetCode]).toEqual([errorCode.noError, undefined]);
  });

  it("is announced and not opened: the connection is closed", async () => {
    await started().closed;
  });

  it("gets UNIMPLEMENTED for a method that it does not serve", async () => {
    for (const fields of [{ ":path": "/x" }, { "content-type": "application/grpc;by=x" }]) {
      started(headers({ ...EXCHANGE, ...fields }));
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
          started(...(begun ? [headers(), data(OPEN)] : []), Buffer.from(bytes));
          peer.socket.end();
          await peer.closed;
        },
      ),
      { numRuns: 100 },
    );
  });
});

/** Requests whose answers wait, and then more than a window. */
function excess(): Buffer[] {
  const pings = Array.from({ length: 100 }, (_, index) => ping(BigInt(index + 2)));
  return [headers(), data(OPEN), data(Buffer.concat(pings)), repeated(data(Buffer.alloc(16_000)), 5)];
}

function headersOf(bytes: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes / 16_384) }, (_, index) =>
    frame(index === 0 ? FRAME.headers : FRAME.continuation, 0, 1, Buffer.alloc(16_384)),
  );
}

function longHeaders(): Buffer[] {
  const more = headerBlock({ "x-more": "v".repeat(100) });
  return [frame(FRAME.headers, 0, 1), repeated(frame(FRAME.continuation, 0, 1, more), 200)];
}

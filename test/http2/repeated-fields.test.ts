/** Fields of a request that come more than once are one value each, on both kinds of connection. */
import { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { settings } from "../../src/http2/frame.ts";
import { FrameWriter } from "../../src/http2/frame-writer.ts";
import type { Headers } from "../../src/http2/hpack.ts";
import { ManyStreamsConnection } from "../../src/http2/many-streams.ts";
import { SingleStreamConnection } from "../../src/http2/single-stream.ts";
import { loudBoundary } from "../support/loud-boundary.ts";
import { CALL_HEADERS, FLAG, FRAME, frame, headerBlock } from "../support/raw-http2.ts";

const LIMITS = { windowBytes: 65_535, headers: { maxBytes: 1_000, maxPairs: 20 }, streamsMax: 1 };
const peerHandlers = {
  goesAway() {},
  admits: () => true,
  pingAnswered: () => false,
  fault({ what }: { readonly what: string }) {
    throw new Error(what);
  },
};

function headersOfSingle(socket: Socket, bytes: Buffer): Headers | undefined {
  let taken: Headers | undefined;
  const connection = new SingleStreamConnection("server", socket, loudBoundary, LIMITS, {
    ...peerHandlers,
    headers(headers) {
      taken = headers;
    },
    data() {},
    ended() {},
    reset() {},
    flushed() {},
  });
  connection.read(bytes, bytes.length);
  return taken;
}

function headersOfMany(socket: Socket, bytes: Buffer): Headers | undefined {
  let taken: Headers | undefined;
  const writer = new FrameWriter(socket, loudBoundary);
  const connection = new ManyStreamsConnection(socket, writer, loudBoundary, LIMITS, {
    ...peerHandlers,
    opens: (state) => ({ state, receive() {}, requestEnded() {}, flushed() {}, over() {} }),
    serve(_, headers) {
      taken = headers;
    },
    greeted() {},
    closed() {},
    settled() {},
  });
  connection.read(bytes);
  return taken;
}

describe.each([
  ["a single stream", headersOfSingle],
  ["many streams", headersOfMany],
])("on a connection of %s", (_, headersOf) => {
  it("the pieces of a cookie are put together by a semicolon, and other values by a comma", () => {
    const more = [{ cookie: "a=1" }, { x: "1" }, { cookie: "b=2; c=3" }, { x: "2" }, { cookie: "d=4" }];
    const block = Buffer.concat([CALL_HEADERS, ...more].map(headerBlock));
    const socket = new Socket();
    const headers = headersOf(
      socket,
      Buffer.concat([settings([]), frame(FRAME.headers, FLAG.endHeaders, 1, block)]),
    );
    socket.destroy();
    expect(headers).toMatchObject({ cookie: "a=1; b=2; c=3; d=4", x: "1, 2" });
  });
});

/** What a peer may do on a connection of a single stream, within the bounds of its frames and behind its end. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { frameType, PREFACE } from "../../../src/http2/frame.ts";
import { type LimitedServer, startLimited } from "../../support/limited-frames.ts";
import { update } from "../../support/many-streams-peer.ts";
import { frame } from "../../support/raw-http2.ts";
import {
  ANNOUNCED,
  data,
  EXCHANGE,
  headers,
  OPEN,
  ping,
  SingleStreamPeer,
} from "../../support/single-stream-peer.ts";

let server: LimitedServer;
beforeEach(async () => {
  server = await startLimited(10);
});
afterEach(() => server.running.stop());

describe("a peer within the limits", () => {
  it("may update both windows for every answer that it gets, at any rate", async () => {
    const peer = new SingleStreamPeer(server.running.port);
    peer.start(headers(), data(OPEN));
    await peer.answered();
    for (let answer = 2; answer < 1_500; answer++) {
      peer.socket.write(Buffer.concat([update(1, 1), update(0, 1), data(ping(BigInt(answer)))]));
      if (answer % 100 === 0) await peer.answered(answer);
    }
    await peer.answered(1_499);
    expect(peer.fault).toBeUndefined();
    peer.socket.destroy();
  });
});

describe("a peer that goes on to send when its connection is over", () => {
  it.each([
    ["since it broke the protocol: nothing is read", frame(frameType.pushPromise, 0, 1), 100],
    ["since its call was refused: little is read", headers({ ...EXCHANGE, ":path": "/x" }), 0],
  ])("%s", async (_, bytes, graceMs) => {
    const socket = connect({ port: server.running.port, host: "127.0.0.1", allowHalfOpen: true });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => {});
    socket.resume();
    socket.write(Buffer.concat([PREFACE, ANNOUNCED, bytes]));
    await once(socket, "end");
    for (let piece = 0; piece < 1_000; piece++) socket.write(Buffer.alloc(64 * 1_024));
    server.clock.advance(graceMs);
    await closed;
  });
});

/** Floods of frames that carry nothing, on single-stream connections. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { errorCode, frameType, PREFACE, settings } from "../../../src/http2/frame.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import type { ThreadObservation } from "../../../src/telemetry/telemetry.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { FLAG, FRAME, frame, uint32 } from "../../support/raw-http2.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import {
  ANNOUNCED,
  data,
  EXCHANGE,
  headers,
  OPEN,
  ping,
  repeated,
  SingleStreamPeer,
} from "../../support/single-stream-peer.ts";

const PADDED = 8;
const MAX = 500;

let running: RunningServer;
let observed: ThreadObservation | undefined;
let peer: SingleStreamPeer;

/** The rates are per second, and the clock stands still. */
async function begin(): Promise<ManualClock> {
  const clock = new ManualClock();
  const telemetry = {
    ...createNoTelemetry(),
    observeThread(thread: ThreadObservation) {
      observed = thread;
      return () => {};
    },
  };
  const transport = { connectionMaxPingsPerSecond: MAX, connectionMaxEmptyFramesPerSecond: MAX };
  running = await startServer({ clock, transport, telemetry });
  peer = new SingleStreamPeer(running.port);
  peer.start(headers(), data(OPEN));
  await peer.answered();
  return clock;
}
afterEach(async () => {
  peer.socket.destroy();
  await running.stop();
});

const none = Buffer.alloc(0);
const priority = frame(frameType.priority, 0, 1, Buffer.alloc(5));
const update = frame(FRAME.windowUpdate, 0, 1, uint32(1));
/** Window updates that a peer may always send. */
const UPDATES = 100;

describe("A7: a flood ends its single-stream connection and no other", () => {
  it.each([
    ["PING", "ping", MAX, frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ["answers to no PING", "ping_answer", MAX, frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8, 9))],
    // The preface counts too.
    ["SETTINGS", "settings", 99, settings([])],
    ["GOAWAY", "go_away", MAX, frame(frameType.goAway, 0, 0, Buffer.alloc(8))],
    ["PRIORITY", "priority", MAX, priority],
    ["PRIORITY of another stream", "priority", MAX, frame(frameType.priority, 0, 9, Buffer.alloc(5))],
    ["frames of an unknown type", "unknown", MAX, frame(0x16, 0, 0)],
    ["empty DATA", "empty_data", MAX, data(none)],
    ["padded empty DATA", "empty_data", MAX, data(Buffer.of(3, 0, 0, 0), PADDED)],
    ["WINDOW_UPDATE of its stream", "window_update", UPDATES + MAX, update],
    ["WINDOW_UPDATE of all", "window_update", UPDATES + MAX, frame(FRAME.windowUpdate, 0, 0, uint32(1))],
  ])("of %s", async (_, kind, max, bytes) => {
    await begin();
    peer.socket.write(repeated(bytes, max));
    if (kind !== "ping") await peer.roundTrip();
    expect(peer.fault).toBeUndefined();
    // What the peer got since then entitles it to a few more.
    peer.socket.write(repeated(bytes, 20));
    await peer.closed;
    expect(peer.fault).toBe(errorCode.enhanceYourCalm);
    expect(observed?.frameFloods()).toMatchObject({ [kind]: 1 });
    expect(await running.health()).toBe("SERVING");
  });

  it("of CONTINUATION", async () => {
    await begin();
    const pieces = repeated(frame(FRAME.continuation, 0, 1), 17);
    peer.socket.write(Buffer.concat([frame(FRAME.headers, FLAG.endStream, 1), pieces]));
    await peer.closed;
    expect(peer.fault).toBe(errorCode.enhanceYourCalm);
    expect(observed?.frameFloods()).toMatchObject({ continuation: 1 });
  });

  it("but not for settings that are acknowledged once, and not again", async () => {
    await begin();
    const ack = frame(FRAME.settings, FLAG.ack, 0);
    peer.socket.write(ack);
    await peer.roundTrip();
    expect(peer.fault).toBeUndefined();
    peer.socket.write(ack);
    await peer.closed;
    expect(peer.fault).toBe(errorCode.protocolError);
  });
});

describe("a peer within the limits", () => {
  it("may send as many again in the next second", async () => {
    const clock = await begin();
    for (let second = 0; second < 5; second++) {
      peer.socket.write(repeated(priority, MAX));
      await peer.roundTrip();
      clock.advance(1_000);
    }
    expect(peer.fault).toBeUndefined();
  });

  it("may update both windows for every answer that it gets, at any rate", async () => {
    await begin();
    const both = Buffer.concat([update, frame(FRAME.windowUpdate, 0, 0, uint32(1))]);
    for (let answer = 2; answer < 1_500; answer++) {
      peer.socket.write(Buffer.concat([both, data(ping(BigInt(answer)))]));
      if (answer % 100 === 0) await peer.answered(answer);
    }
    await peer.answered(1_499);
    expect(peer.fault).toBeUndefined();
  });
});

describe("a peer that goes on to send when its connection is over", () => {
  it.each([
    ["since it broke the protocol: nothing is read", frame(frameType.pushPromise, 0, 1), 100],
    ["since its call was refused: little is read", headers({ ...EXCHANGE, ":path": "/x" }), 0],
  ])("%s", async (_, bytes, graceMs) => {
    const clock = await begin();
    const socket = connect({ port: running.port, host: "127.0.0.1", allowHalfOpen: true });
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => {});
    socket.resume();
    socket.write(Buffer.concat([PREFACE, ANNOUNCED, bytes]));
    await once(socket, "end");
    for (let piece = 0; piece < 1_000; piece++) socket.write(Buffer.alloc(64 * 1_024));
    clock.advance(graceMs);
    await closed;
  });
});

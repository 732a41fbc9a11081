/** What a peer may do on a connection with many streams: how many it opens, and how many it resets or makes the server reset. */
import { afterEach, describe, expect, it } from "vitest";
import { errorCode, frameType, setting, settings } from "../../../src/http2/frame.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import type { ThreadObservation } from "../../../src/telemetry/telemetry.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import {
  body,
  call,
  GREETING,
  ids,
  ManyStreamsPeer,
  open,
  reset,
  SETTINGS_ACK,
  update,
} from "../../support/many-streams-peer.ts";
import { CALL_HEADERS, FLAG, FRAME, frame, uint32 } from "../../support/raw-http2.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

const MAX_STREAMS = 10;
const MAX = 500;
const RESETS = 1_000;
/** Window updates that a peer may always send. */
const UPDATES = 100;

let running: RunningServer;
let observed: ThreadObservation | undefined;
let peer: ManyStreamsPeer;

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
  const transport = {
    connectionMaxStreams: MAX_STREAMS,
    connectionMaxPingsPerSecond: MAX,
    connectionMaxEmptyFramesPerSecond: MAX,
  };
  running = await startServer({ clock, transport, telemetry });
  peer = new ManyStreamsPeer(running.port);
  peer.send(GREETING);
  await peer.roundTrip();
  return clock;
}
afterEach(async () => {
  peer.socket.destroy();
  expect(await running.health()).toBe("SERVING");
  await running.stop();
});

describe("streams beyond what a connection may have", () => {
  it("are refused until the peer has acknowledged the settings, and the others are served", async () => {
    await begin();
    const [announced] = peer.of(FRAME.settings);
    expect(announced?.body.subarray(0, 6)).toEqual(
      settings([[setting.maxConcurrentStreams, MAX_STREAMS]]).subarray(9),
    );
    const within = ids(MAX_STREAMS);
    const beyond = ids(5, 21);
    peer.send(...within.map((id) => open(id)), ...beyond.map((id) => call(id)));
    await peer.ended(...beyond);
    expect(beyond.map((id) => peer.resetOf(id))).toEqual(Array(5).fill(errorCode.refusedStream));
    peer.send(...within.map((id) => body(id, call(id).subarray(-15))));
    await peer.ended(...within);
    expect(within.map((id) => peer.statusOf(id) ?? peer.resetOf(id))).not.toContain(undefined);
    peer.send(call(31));
    await peer.ended(31);
    expect([peer.statusOf(31), peer.goAways]).toEqual(["0", []]);
  });

  it("end the connection once it has", async () => {
    await begin();
    peer.send(SETTINGS_ACK, ...ids(MAX_STREAMS).map((id) => open(id)));
    await peer.roundTrip();
    expect(peer.goAways).toEqual([]);
    peer.send(call(101));
    await peer.closed;
    expect(peer.goAways).toEqual([[101, errorCode.protocolError]]);
  });

  it("have room again when others are over", async () => {
    await begin();
    peer.send(SETTINGS_ACK);
    for (const first of [1, 21, 41]) {
      const streams = ids(MAX_STREAMS, first);
      peer.send(...streams.map((id) => open(id)), ...streams.map((id) => reset(id)));
    }
    peer.send(...ids(MAX_STREAMS, 61).map((id) => call(id)));
    await peer.ended(...ids(MAX_STREAMS, 61));
    expect(peer.goAways).toEqual([]);
  });
});

describe("A1: streams that are reset", () => {
  const opened = (id: number): Buffer => Buffer.concat([open(id), reset(id)]);
  const malformed = (id: number): Buffer => open(id, { ...CALL_HEADERS, te: "gzip" });

  it.each([
    ["by the peer", opened],
    ["since it breaks the protocol", malformed],
    ["by either", (id: number) => (id % 4 === 1 ? opened(id) : malformed(id))],
  ])("%s: 1,000 at once and 33 a second, and then the connection ends", async (_, one) => {
    const clock = await begin();
    peer.send(SETTINGS_ACK, ...ids(RESETS).map(one));
    await peer.roundTrip();
    expect(peer.goAways).toEqual([]);
    clock.advance(2_000);
    peer.send(...ids(66, 2_001).map(one));
    await peer.roundTrip();
    expect(peer.goAways).toEqual([]);
    peer.send(one(2_133));
    await peer.closed;
    expect(peer.fault).toBe(errorCode.enhanceYourCalm);
    expect(observed?.frameFloods()).toMatchObject({ reset: 1 });
  });

  it("do not count where calls end in order", async () => {
    await begin();
    for (let first = 1; first < 2_400; first += 2 * MAX_STREAMS) {
      const streams = ids(MAX_STREAMS, first);
      peer.send(...streams.map((id) => call(id)));
      await peer.ended(...streams);
    }
    expect([peer.goAways, peer.of(FRAME.reset)]).toEqual([[], []]);
  });
});

describe("A7: a flood ends its connection and no other", () => {
  it.each([
    // The round trips and the greeting count too.
    ["PING", "ping", MAX - 2, frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ["answers to no PING", "ping_answer", MAX, frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8, 9))],
    ["SETTINGS", "settings", 99, settings([])],
    ["GOAWAY", "go_away", MAX, frame(frameType.goAway, 0, 0, Buffer.alloc(8))],
    ["PRIORITY", "priority", MAX, frame(frameType.priority, 0, 9, Buffer.alloc(5))],
    ["frames of an unknown type", "unknown", MAX, frame(0x16, 0, 0)],
    ["empty DATA", "empty_data", MAX, body(1, Buffer.alloc(0), 0)],
    ["padded empty DATA", "empty_data", MAX, body(1, Buffer.of(3, 0, 0, 0), 8)],
    ["WINDOW_UPDATE of a stream", "window_update", UPDATES + MAX, update(1, 1)],
    ["WINDOW_UPDATE of all", "window_update", UPDATES + MAX, update(0, 1)],
    ["RST_STREAM of a stream that is over", "reset", RESETS, frame(FRAME.reset, 0, 1, uint32(0))],
  ])("of %s", async (_, kind, max, bytes) => {
    await begin();
    peer.send(open(1), ...Array(max).fill(bytes));
    await peer.roundTrip();
    // A peer that goes away is told that its last call is served.
    expect(peer.goAways).toEqual(kind === "go_away" ? [[1, errorCode.noError]] : []);
    peer.send(...Array(20).fill(bytes));
    await peer.closed;
    expect(peer.fault).toBe(errorCode.enhanceYourCalm);
    expect(observed?.frameFloods()).toMatchObject({ [kind]: 1 });
  });

  it("of CONTINUATION", async () => {
    await begin();
    peer.send(frame(FRAME.headers, 0, 1), ...Array(17).fill(frame(FRAME.continuation, 0, 1)));
    await peer.closed;
    expect(peer.fault).toBe(errorCode.enhanceYourCalm);
    expect(observed?.frameFloods()).toMatchObject({ continuation: 1 });
  });

  it("but not for two window updates for every answer, at any rate", async () => {
    await begin();
    for (let first = 1; first < 4_000; first += 2 * MAX_STREAMS) {
      const streams = ids(MAX_STREAMS, first);
      peer.send(...streams.flatMap((id) => [update(0, 1), update(id > 1 ? id - 2 : 0, 1), call(id)]));
      await peer.ended(...streams);
    }
    expect(peer.goAways).toEqual([]);
  });
});

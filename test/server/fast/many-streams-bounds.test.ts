/** What a peer may do on a connection with many streams: how many it opens, and how many it resets or makes the server reset. */
import { afterEach, describe, expect, it } from "vitest";
import { errorCode, setting, settings } from "../../../src/http2/frame.ts";
import { type LimitedServer, startLimited } from "../../support/limited-frames.ts";
import type { ManualClock } from "../../support/manual-clock.ts";
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
import { CALL_HEADERS, FRAME, frame, uint32 } from "../../support/raw-http2.ts";

const MAX_STREAMS = 10;
const RESETS = 1_000;

let server: LimitedServer;
let peer: ManyStreamsPeer;

async function begin(): Promise<ManualClock> {
  server = await startLimited(MAX_STREAMS);
  peer = new ManyStreamsPeer(server.running.port);
  peer.send(GREETING);
  await peer.roundTrip();
  return server.clock;
}
afterEach(async () => {
  peer.socket.destroy();
  expect(await server.running.health()).toBe("SERVING");
  await server.running.stop();
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
    expect(server.floods()).toMatchObject({ reset: 1 });
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

describe("A7: a flood", () => {
  it("of RST_STREAM of a stream that is over ends its connection and no other", async () => {
    await begin();
    const again = frame(FRAME.reset, 0, 1, uint32(0));
    peer.send(open(1), ...Array(RESETS).fill(again));
    await peer.roundTrip();
    expect(peer.goAways).toEqual([]);
    peer.send(...Array(20).fill(again));
    await peer.closed;
    expect(peer.fault).toBe(errorCode.enhanceYourCalm);
    expect(server.floods()).toMatchObject({ reset: 1 });
  });

  it("is none of two window updates for every answer, at any rate", async () => {
    await begin();
    for (let first = 1; first < 4_000; first += 2 * MAX_STREAMS) {
      const streams = ids(MAX_STREAMS, first);
      peer.send(...streams.flatMap((id) => [update(0, 1), update(id > 1 ? id - 2 : 0, 1), call(id)]));
      await peer.ended(...streams);
    }
    expect(peer.goAways).toEqual([]);
  });
});

/** Floods of frames that carry nothing, on both kinds of connection. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { errorCode, frameType, settings } from "../../../src/http2/frame.ts";
import { CONNECTION_KINDS, type ConnectionKind, MANY_STREAMS } from "../../support/connection-kinds.ts";
import {
  FRAMES_MAX,
  type LimitedServer,
  SETTINGS_FRAMES_MAX,
  startLimited,
  UPDATES_MAX,
} from "../../support/limited-frames.ts";
import { ManyStreamsPeer, update } from "../../support/many-streams-peer.ts";
import { FLAG, FRAME, frame } from "../../support/raw-http2.ts";

const PADDED = 8;
const MAX_STREAMS = 10;

let server: LimitedServer;
let peer: ManyStreamsPeer;
beforeEach(async () => {
  server = await startLimited(MAX_STREAMS);
  peer = new ManyStreamsPeer(server.running.port);
});
afterEach(async () => {
  peer.socket.destroy();
  expect(await server.running.health()).toBe("SERVING");
  await server.running.stop();
});

const ack = frame(FRAME.settings, FLAG.ack, 0);
const priority = (id: number): Buffer => frame(frameType.priority, 0, id, Buffer.alloc(5));
const continuations = (kind: ConnectionKind): Buffer[] =>
  Array(17).fill(frame(FRAME.continuation, 0, kind.id));

async function begin(kind: ConnectionKind): Promise<void> {
  peer.send(kind.greeting, kind.open());
  await peer.roundTrip();
}

async function expectFlood(kind: string): Promise<void> {
  await peer.closed;
  expect(peer.fault).toBe(errorCode.enhanceYourCalm);
  expect(server.floods()).toMatchObject({ [kind]: 1 });
}

describe.each(CONNECTION_KINDS)("A7: a flood ends its connection of %s and no other", (_, kind) => {
  it.each([
    // The round trips and the greeting count too.
    ["PING", "ping", FRAMES_MAX - 2, frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
    ["answers to no PING", "ping_answer", FRAMES_MAX, frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8, 9))],
    ["SETTINGS", "settings", SETTINGS_FRAMES_MAX - 1, settings([])],
    ["GOAWAY", "go_away", FRAMES_MAX, frame(frameType.goAway, 0, 0, Buffer.alloc(8))],
    ["PRIORITY", "priority", FRAMES_MAX, priority(kind.id)],
    ["PRIORITY of another stream", "priority", FRAMES_MAX, priority(kind.idle)],
    ["frames of an unknown type", "unknown", FRAMES_MAX, frame(0x16, 0, 0)],
    ["empty DATA", "empty_data", FRAMES_MAX, kind.data(Buffer.alloc(0))],
    ["padded empty DATA", "empty_data", FRAMES_MAX, kind.data(Buffer.of(3, 0, 0, 0), PADDED)],
    ["WINDOW_UPDATE of its stream", "window_update", UPDATES_MAX + FRAMES_MAX, kind.update(1)],
    ["WINDOW_UPDATE of all", "window_update", UPDATES_MAX + FRAMES_MAX, update(0, 1)],
  ])("of %s", async (_title, name, max, bytes) => {
    await begin(kind);
    peer.send(...Array(max).fill(bytes));
    await peer.roundTrip();
    // A peer that goes away and may have several calls is told that its last one is served.
    const isTold = name === "go_away" && kind === MANY_STREAMS;
    expect(peer.goAways).toEqual(isTold ? [[kind.id, errorCode.noError]] : []);
    peer.send(...Array(20).fill(bytes));
    await expectFlood(name);
  });

  it("of CONTINUATION", async () => {
    peer.send(kind.greeting, kind.openWith(Buffer.alloc(0), 0), ...continuations(kind));
    await expectFlood("continuation");
  });

  it("of CONTINUATION behind trailers", async () => {
    await begin(kind);
    peer.send(kind.block(Buffer.alloc(0), FLAG.endStream), ...continuations(kind));
    await expectFlood("continuation");
  });

  it("but not for settings that are acknowledged once, and not again", async () => {
    await begin(kind);
    peer.send(ack);
    await peer.roundTrip();
    expect(peer.goAways).toEqual([]);
    peer.send(ack);
    await peer.closed;
    expect(peer.fault).toBe(errorCode.protocolError);
  });

  it("but not for as many again in the next second", async () => {
    await begin(kind);
    for (let second = 0; second < 5; second++) {
      peer.send(...Array(FRAMES_MAX).fill(priority(kind.id)));
      await peer.roundTrip();
      server.clock.advance(1_000);
    }
    expect(peer.goAways).toEqual([]);
  });
});

/** How a connection with many streams ends: asked to go, idle, old, or silent. */
import { afterEach, describe, expect, it } from "vitest";
import { errorCode } from "../../../src/http2/frame.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import {
  body,
  call,
  GET,
  GREETING,
  ids,
  ManyStreamsPeer,
  open,
  reset,
  SETTINGS_ACK,
} from "../../support/many-streams-peer.ts";
import { FLAG, FRAME, frame } from "../../support/raw-http2.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

const IDLE_MS = 1_000;
const AGE_MS = 60_000;
/** More than ages differ by. */
const GRACE_MS = 20_000;
const transport = {
  connectionIdleMs: IDLE_MS,
  connectionAgeMs: AGE_MS,
  connectionGraceMs: GRACE_MS,
  halfCloseMaxMs: 3_600_000,
  callMaxMs: 3_600_000,
  keepaliveTimeMs: 3_600_000,
};

let running: RunningServer | undefined;
let peer: ManyStreamsPeer;
afterEach(async () => {
  peer.socket.destroy();
  await running?.stop();
  running = undefined;
});

async function begin(
  limits: Partial<typeof transport> & { readonly keepaliveTimeoutMs?: number } = {},
): Promise<ManualClock> {
  const clock = new ManualClock();
  running = await startServer({ clock, transport: { ...transport, ...limits } });
  peer = new ManyStreamsPeer(running.port);
  peer.send(GREETING, SETTINGS_ACK);
  await peer.roundTrip();
  return clock;
}

describe("a connection without a call", () => {
  it("is asked to go when it has been idle, and closed", async () => {
    const clock = await begin();
    clock.advance(IDLE_MS - 1);
    await peer.roundTrip();
    expect(peer.goAways).toEqual([]);
    clock.advance(1);
    await peer.closed;
    expect(peer.goAways).toEqual([[0, errorCode.noError]]);
  });

  it("is idle from the end of its last call on", async () => {
    const clock = await begin();
    clock.advance(IDLE_MS - 1);
    peer.send(open(1), call(3));
    await peer.ended(3);
    clock.advance(10 * IDLE_MS);
    await peer.roundTrip();
    peer.send(body(1, GET));
    await peer.ended(1);
    clock.advance(IDLE_MS - 1);
    await peer.roundTrip();
    expect(peer.goAways).toEqual([]);
    clock.advance(IDLE_MS);
    await peer.closed;
    expect(peer.goAways).toEqual([[3, errorCode.noError]]);
  });

  it("stays while calls come, however seldom", async () => {
    const clock = await begin();
    for (const id of ids(20)) {
      clock.advance(IDLE_MS - 1);
      peer.send(call(id));
      await peer.ended(id);
    }
    expect(peer.goAways).toEqual([]);
  });

  it("is closed when it sends no settings", async () => {
    const clock = await begin({ halfCloseMaxMs: 100 });
    const silent = new ManyStreamsPeer(running?.port ?? 0);
    silent.send(GREETING.subarray(0, 24));
    await silent.until(() => silent.of(FRAME.settings).length > 0);
    clock.advance(100);
    await silent.closed;
    await peer.roundTrip();
    expect(peer.isClosed).toBe(false);
  });
});

describe("a connection that is asked to go", () => {
  it("is told its last stream, refuses later ones, and ends with its last call", async () => {
    const clock = await begin();
    peer.send(open(1), open(3));
    await peer.roundTrip();
    clock.advance(1.1 * AGE_MS);
    await peer.until(() => peer.goAways.length > 0);
    expect(peer.goAways).toEqual([[3, errorCode.noError]]);
    peer.send(call(5), open(7), body(1, GET));
    await peer.ended(1, 5, 7);
    expect([peer.statusOf(1), peer.resetOf(5), peer.resetOf(7)]).toEqual(["0", 7, 7]);
    peer.send(body(7, GET), frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await peer.roundTrip();
    expect(peer.isClosed).toBe(false);
    peer.send(body(3, GET));
    await peer.closed;
    expect(peer.statusOf(3)).toBe("0");
    // RFC 9113, section 6.8: what a peer was told before may not grow.
    expect(peer.goAways).toEqual([
      [3, errorCode.noError],
      [3, errorCode.noError],
    ]);
  });

  it("ends when its last call is reset", async () => {
    const clock = await begin();
    peer.send(open(1));
    await peer.roundTrip();
    clock.advance(1.1 * AGE_MS);
    await peer.until(() => peer.goAways.length > 0);
    peer.send(reset(1));
    await peer.closed;
    expect(peer.fault).toBe(errorCode.noError);
  });

  it("is closed with its calls when they do not end in time", async () => {
    const clock = await begin();
    peer.send(open(1));
    await peer.roundTrip();
    clock.advance(1.1 * AGE_MS);
    await peer.until(() => peer.goAways.length > 0);
    clock.advance(GRACE_MS);
    await peer.closed;
    expect(peer.goAways).toEqual([[1, errorCode.noError]]);
  });

  it("ends at once without a call", async () => {
    await begin();
    const drained = running?.server.drain();
    await Promise.all([drained, peer.closed]);
    expect(peer.goAways).toEqual([[0, errorCode.noError]]);
  });

  it("gets the answers of its calls when the server drains", async () => {
    await begin();
    peer.send(open(1), body(1, GET, 0));
    await peer.roundTrip();
    const drained = running?.server.drain();
    peer.send(body(1, Buffer.alloc(0), FLAG.endStream));
    await Promise.all([drained, peer.closed]);
    expect(peer.statusOf(1)).toBe("0");
    expect(peer.goAways.at(-1)).toEqual([1, errorCode.noError]);
  });
});

describe("a silent peer", () => {
  it("is pinged, and its connection closed when it does not answer", async () => {
    const clock = await begin({ keepaliveTimeMs: 500, keepaliveTimeoutMs: 200 });
    peer.send(open(1));
    await peer.roundTrip();
    const pings = () => peer.of(FRAME.ping).filter(({ flags }) => flags === 0);
    clock.advance(500);
    await peer.until(() => pings().length === 1);
    peer.send(frame(FRAME.ping, FLAG.ack, 0, pings()[0]?.body));
    await peer.roundTrip();
    clock.advance(500);
    await peer.until(() => pings().length === 2);
    clock.advance(200);
    await peer.closed;
    expect(peer.goAways).toEqual([]);
  });
});

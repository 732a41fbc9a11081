/** Flow control on connections with many streams, in both directions: who does not take waits alone. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheService } from "../../../gen/meshcache/v1/cache_pb.ts";
import {
  DEFAULT_WINDOW_BYTES,
  errorCode,
  FRAME_MAX_BYTES,
  setting,
  settings,
} from "../../../src/http2/frame.ts";
import {
  body,
  call,
  GREETING,
  ids,
  ManyStreamsPeer,
  open,
  reset,
  update,
} from "../../support/many-streams-peer.ts";
import { CALL_HEADERS, FRAME } from "../../support/raw-http2.ts";
import { EXCHANGE, OPEN, ping, request } from "../../support/single-stream-peer.ts";
import { surviveWith } from "../../support/survival.ts";

const LARGE = 200_000;
const WINDOW_MAX = 0x7fff_ffff;
const survivor = surviveWith({
  transport: { flowControlWindowBytes: 65_535, queueMaxBytes: 1_024, connectionMaxSettingsPerSecond: 10_000 },
});
let peer: ManyStreamsPeer;
beforeEach(async () => {
  const value = Buffer.alloc(LARGE, "v");
  await survivor().running.client.unary(CacheService.method.set, { namespace: "n", key: "large", value });
  peer = new ManyStreamsPeer(survivor().running.port);
});
afterEach(() => {
  peer.socket.destroy();
  expect(survivor().log).toEqual([]);
});

/** GetRequest of "n" and "large". */
const GET_LARGE = Buffer.from([0, 0, 0, 0, 10, 0x0a, 1, 0x6e, 0x12, 5, ...Buffer.from("large")]);
const initialWindow = (bytes: number): Buffer => settings([[setting.initialWindowSize, bytes]]);
const large = (id: number): Buffer => call(id, GET_LARGE);
const sizeOf = (id: number): number => peer.dataOf(id).length;

describe("what the server sends", () => {
  it("keeps to the window of the connection, whatever the streams'", async () => {
    peer.send(GREETING, initialWindow(WINDOW_MAX), large(1), large(3));
    await peer.roundTrip();
    await peer.until(() => sizeOf(1) + sizeOf(3) === DEFAULT_WINDOW_BYTES);
    await peer.roundTrip();
    expect(sizeOf(1) + sizeOf(3)).toBe(DEFAULT_WINDOW_BYTES);
    peer.send(update(0, 1));
    await peer.until(() => sizeOf(1) + sizeOf(3) > DEFAULT_WINDOW_BYTES);
    await peer.roundTrip();
    expect(sizeOf(1) + sizeOf(3)).toBe(DEFAULT_WINDOW_BYTES + 1);
    peer.send(update(0, WINDOW_MAX - 1));
    await peer.ended(1, 3);
    expect([peer.statusOf(1), peer.statusOf(3)]).toEqual(["0", "0"]);
    for (const id of [1, 3]) expect(peer.dataOf(id).includes(Buffer.alloc(LARGE, "v"))).toBe(true);
  });

  it("interleaves the large answers of streams, a frame each", async () => {
    peer.send(GREETING, initialWindow(WINDOW_MAX), large(1), large(3));
    peer.send(update(0, WINDOW_MAX - DEFAULT_WINDOW_BYTES));
    await peer.ended(1, 3);
    // The first stream may begin alone, until the window of the connection has no room.
    const order = peer.of(FRAME.data).map(({ id }) => id);
    const both = order.slice(order.indexOf(3), order.lastIndexOf(1));
    const same = both.filter((id, index) => index > 0 && id === both[index - 1]);
    expect(both.length).toBeGreaterThan(8);
    expect(same).toEqual([]);
  });

  it("does not wait for a stream without a window", async () => {
    peer.send(GREETING, initialWindow(0), update(0, 1_000_000), call(1), large(3));
    await peer.roundTrip();
    expect([sizeOf(1), sizeOf(3)]).toEqual([0, 0]);
    peer.send(open(5), update(5, 1_000), body(5, GET_LARGE), large(7), update(7, WINDOW_MAX));
    await peer.ended(7);
    expect([sizeOf(1), sizeOf(3), sizeOf(5)]).toEqual([0, 0, 1_000]);
    peer.send(initialWindow(WINDOW_MAX - 1_000_000), update(5, 1));
    await peer.ended(1, 3, 5);
    expect(ids(4).map((id) => peer.statusOf(id))).toEqual(["0", "0", "0", "0"]);
  });

  it("waits until windows that settings have made negative are positive again", async () => {
    peer.send(GREETING, initialWindow(10_000), update(0, 1_000_000), large(1));
    await peer.until(() => sizeOf(1) === 10_000);
    peer.send(initialWindow(4_000), update(1, 6_000));
    await peer.roundTrip();
    expect(sizeOf(1)).toBe(10_000);
    peer.send(update(1, 1));
    await peer.roundTrip();
    expect(sizeOf(1)).toBe(10_001);
    peer.send(initialWindow(0), initialWindow(4_010));
    await peer.until(() => sizeOf(1) > 10_001);
    await peer.roundTrip();
    expect(sizeOf(1)).toBe(10_011);
    // New streams have the latest window.
    peer.send(large(3));
    await peer.until(() => sizeOf(3) > 0);
    await peer.roundTrip();
    expect(sizeOf(3)).toBe(4_010);
  });

  it("takes a window down to where acknowledged settings say, also of what it has just answered", async () => {
    peer.send(GREETING, call(1), initialWindow(0), call(3), update(0, 1_000_000));
    await peer.roundTrip();
    const acknowledged = peer.of(FRAME.settings).filter(({ flags }) => flags === 1)[1];
    const dataAt = peer.frames.findIndex(({ type, id }) => type === FRAME.data && id === 1);
    expect(dataAt).toBeGreaterThan(0);
    expect(dataAt).toBeLessThan(acknowledged === undefined ? -1 : peer.frames.indexOf(acknowledged));
    expect([peer.statusOf(1), sizeOf(3)]).toEqual(["0", 0]);
  });

  it("is in frames as small as they may always be, so that streams take turns", async () => {
    peer.send(GREETING, settings([[setting.maxFrameSize, 65_536]]), initialWindow(WINDOW_MAX));
    peer.send(update(0, 1_000_000), large(1));
    await peer.ended(1);
    expect(Math.max(...peer.of(FRAME.data).map((one) => one.body.length))).toBe(FRAME_MAX_BYTES);
  });

  it("ends with its stream, and its window is for the others", async () => {
    peer.send(GREETING, initialWindow(WINDOW_MAX), large(1), large(3));
    await peer.until(() => sizeOf(1) + sizeOf(3) === DEFAULT_WINDOW_BYTES);
    const before = sizeOf(1);
    peer.send(reset(1), update(0, 1_000_000));
    await peer.ended(3);
    await peer.roundTrip();
    expect([sizeOf(1), peer.statusOf(3)]).toEqual([before, "0"]);
  });

  it("ends when settings make the window of a stream too large", async () => {
    peer.send(
      GREETING,
      initialWindow(0),
      large(1),
      update(1, WINDOW_MAX),
      initialWindow(DEFAULT_WINDOW_BYTES + 1),
    );
    await peer.closed;
    expect(peer.fault).toBe(errorCode.flowControlError);
  });
});

describe("what the client sends", () => {
  it("has room on the connection while a stream that is not read has none", async () => {
    // Its answers are not taken, so that its requests wait.
    peer.send(GREETING, initialWindow(0), open(1, EXCHANGE), body(1, OPEN, 0));
    for (const pings of inFrames(60_000)) peer.send(body(1, pings, 0));
    await peer.roundTrip();
    const rooms = () => peer.of(FRAME.windowUpdate, 1).reduce((sum, one) => sum + one.body.readUInt32BE(), 0);
    const before = rooms();
    for (const id of ids(20, 3)) {
      peer.send(open(id), body(id, Buffer.alloc(10_000), 0));
      await peer.roundTrip();
    }
    expect(peer.goAways).toEqual([]);
    expect(rooms()).toBe(before);
    peer.send(update(0, 1_000_000), update(1, 1_000_000), update(3, 1));
    await peer.until(() => rooms() > before);
    expect(peer.goAways).toEqual([]);
  });

  it("resets its stream where it is more than there is room for", async () => {
    peer.send(GREETING, initialWindow(0), open(1, EXCHANGE), body(1, OPEN, 0));
    for (const pings of inFrames(160_000)) peer.send(body(1, pings, 0));
    await peer.ended(1);
    expect(peer.resetOf(1)).toBe(errorCode.flowControlError);
    peer.send(call(3), update(3, 1_000));
    await peer.ended(3);
    expect(peer.statusOf(3)).toBe("0");
  });

  it("has room again on the connection for what comes for streams that are over", async () => {
    peer.send(GREETING, open(1, { ...CALL_HEADERS, te: "gzip" }));
    for (let frames = 0; frames < 50; frames++) {
      peer.send(body(1, Buffer.alloc(16_384), 0));
      await peer.roundTrip();
    }
    const room = peer.of(FRAME.windowUpdate, 0).reduce((sum, one) => sum + one.body.readUInt32BE(), 0);
    expect(room).toBeGreaterThan(49 * 16_384 - 65_535);
    expect([peer.of(FRAME.reset).length, peer.goAways]).toEqual([1, []]);
  });

  it("has room on a stream that is read, as much as it needs", async () => {
    const value = Buffer.alloc(500_000, "w");
    const set = request({ id: 1n, frame: { case: "open", value: { clientId: "x".repeat(100) } } });
    expect(set.length).toBeGreaterThan(100);
    const prefix = Buffer.from([0, 0, 0, 0, 0]);
    prefix.writeUInt32BE(value.length, 1);
    peer.send(
      GREETING,
      open(1, { ...CALL_HEADERS, ":path": "/meshcache.v1.CacheService/Set" }),
      body(1, prefix, 0),
    );
    let sent = prefix.length;
    const room = () =>
      DEFAULT_WINDOW_BYTES +
      peer.of(FRAME.windowUpdate, 1).reduce((sum, one) => sum + one.body.readUInt32BE(), 0);
    for (let at = 0; at < value.length; at += 10_000) {
      await peer.until(() => room() >= sent + 10_000);
      peer.send(body(1, value.subarray(at, at + 10_000), at + 10_000 === value.length ? 1 : 0));
      sent += 10_000;
    }
    await peer.ended(1);
    // It is no request, but it was read to its end.
    expect(peer.statusOf(1)).not.toBeUndefined();
    expect(peer.of(FRAME.reset)).toEqual([]);
  });
});

/** Pings of an Exchange, in frames of whole messages. */
function inFrames(bytes: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let id = 2n, sent = 0; sent < bytes; ) {
    const messages: Buffer[] = [];
    for (let size = 0; size < 16_000; size += messages.at(-1)?.length ?? 0) messages.push(ping(id++));
    const piece = Buffer.concat(messages);
    frames.push(piece);
    sent += piece.length;
  }
  return frames;
}

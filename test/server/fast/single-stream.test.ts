/** Single-stream connections: what the client may do there, and how long they last. */
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { errorCode } from "../../../src/http2/frame.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { framed } from "../../support/raw-grpc.ts";
import { FLAG, FRAME, frame, uint32 } from "../../support/raw-http2.ts";
import { type RunningServer, type RunningServerOptions, startServer } from "../../support/running-server.ts";
import { data, GO_AWAY, headers, OPEN, ping, SingleStreamPeer } from "../../support/single-stream-peer.ts";

describe("a single-stream connection", () => {
  let running: RunningServer;
  let peer: SingleStreamPeer;

  async function begin(options: RunningServerOptions = {}, ...first: readonly Buffer[]): Promise<void> {
    running = await startServer(options);
    peer = new SingleStreamPeer(running.port);
    await once(peer.socket, "connect");
    peer.start(headers(), ...first);
  }
  afterEach(async () => {
    peer.socket.destroy();
    await running.stop();
  });

  it("is served as one, and answers", async () => {
    await begin({}, data(OPEN));
    await peer.answered();
    expect(peer.frames.slice(0, 5).map(({ type, flags }) => [type, flags])).toEqual([
      [FRAME.settings, 0],
      [FRAME.windowUpdate, 0],
      [FRAME.settings, FLAG.ack],
      [FRAME.headers, FLAG.endHeaders],
      [FRAME.data, 0],
    ]);
  });

  it("ends with its stream", async () => {
    await begin({}, data(OPEN), data(ping(2n), FLAG.endStream));
    await peer.closed;
    expect(peer.frames.slice(-3).map(({ type, flags }) => [type, flags])).toEqual([
      [FRAME.data, 0],
      [FRAME.headers, FLAG.endHeaders | FLAG.endStream],
      [GO_AWAY, 0],
    ]);
    expect(peer.fault).toBe(0);
  });

  it("ends when its stream is reset", async () => {
    await begin({}, data(OPEN));
    await peer.answered();
    peer.socket.write(frame(FRAME.reset, 0, 1, uint32(8)));
    await peer.closed;
    // Nothing follows: the client has reset its only stream, and reads no more.
    expect(peer.fault).toBeUndefined();
  });

  it("gets its status although the refused request came while the stream was paused", async () => {
    await begin(
      { transport: { queueMaxBytes: 1_024, flowControlWindowBytes: 65_535, stallMaxMs: 60_000 } },
      frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(0)])),
      data(OPEN),
    );
    const pings = Array.from({ length: 2_500 }, (_, index) => ping(BigInt(index + 2)));
    const bytes = Buffer.concat([...pings, framed(Buffer.alloc(20, 0xff))]);
    for (let at = 0; at < bytes.length; at += 16_000) {
      peer.socket.write(data(bytes.subarray(at, at + 16_000)));
    }
    peer.socket.write(data(Buffer.alloc(0), FLAG.endStream));
    await peer.roundTrip();
    peer.socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(1_000_000)));
    peer.socket.write(frame(FRAME.windowUpdate, 0, 1, uint32(1_000_000)));
    await peer.closed;
    const trailers = peer.of(FRAME.headers)[1];
    expect(trailers?.flags).toBe(FLAG.endHeaders | FLAG.endStream);
    expect(trailers?.body.toString("latin1")).toMatch(/grpc-status.{1}3/s);
    expect(peer.fault).toBe(0);
  });

  it("sends no more than the window allows, and its status last", async () => {
    await begin({}, data(OPEN));
    await peer.answered();
    const before = bytesOf(peer);
    const pings = Array.from({ length: 6_000 }, (_, index) => ping(BigInt(index + 2)));
    for (let at = 0; at < pings.length; at += 500) {
      peer.socket.write(data(Buffer.concat(pings.slice(at, at + 500))));
    }
    peer.socket.write(data(Buffer.alloc(0), FLAG.endStream));
    await peer.until(() => bytesOf(peer) === 65_535);
    expect(before).toBeLessThan(120);
    peer.socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(1_000_000)));
    peer.socket.write(frame(FRAME.windowUpdate, 0, 1, uint32(1_000_000)));
    await peer.closed;
    expect(Buffer.concat(peer.of(FRAME.data).map(({ body }) => body)).length).toBeGreaterThan(65_535);
    const trailers = peer.of(FRAME.headers)[1];
    expect(trailers?.flags).toBe(FLAG.endHeaders | FLAG.endStream);
    expect(trailers?.body.toString("latin1")).toContain("grpc-status");
  });

  it("is cut when it takes nothing for too long", async () => {
    const clock = new ManualClock();
    await begin({ clock, transport: { stallMaxMs: 1_000 } }, data(OPEN));
    await peer.answered();
    for (let id = 2; id < 9_000; id += 500) {
      const pings = Array.from({ length: 500 }, (_, index) => ping(BigInt(id + index)));
      peer.socket.write(data(Buffer.concat(pings)));
    }
    await peer.until(() => bytesOf(peer) === 65_535);
    // It still answers pings, so only its stream is reset.
    for (let round = 0; round < 10 && peer.of(FRAME.reset).length === 0; round++) {
      clock.advance(250);
      await peer.roundTrip();
      peer.answerPings();
      await peer.roundTrip();
    }
    await peer.closed;
    expect(peer.of(FRAME.reset)[0]?.body.readUInt32BE()).toBe(errorCode.enhanceYourCalm);
  });

  it("stays open as long as its pings are answered", async () => {
    const clock = new ManualClock();
    await begin({ clock, transport: { keepaliveTimeMs: 1_000, keepaliveTimeoutMs: 500 } }, data(OPEN));
    await peer.answered();
    for (let round = 1; round <= 3; round++) {
      clock.advance(1_000);
      await peer.until(() => peer.of(FRAME.ping).length === round);
      peer.answerPings();
      peer.socket.write(data(ping(BigInt(round + 1))));
      await peer.answered(round + 1);
    }
    clock.advance(1_000);
    expect(peer.socket.destroyed).toBe(false);
    clock.advance(500);
    await peer.closed;
  });

  it("gets GOAWAY at its age, and is closed after its grace", async () => {
    const clock = new ManualClock();
    const ages = { connectionAgeMs: 10_000, connectionGraceMs: 5_000 };
    await begin({ clock, transport: { ...ages, keepaliveTimeMs: 86_400_000 } }, data(OPEN));
    await peer.answered();
    clock.advance(8_900);
    peer.socket.write(data(ping(2n)));
    await peer.answered(2);
    expect(peer.fault).toBeUndefined();
    // The age is a tenth more or less.
    clock.advance(2_200);
    await peer.until(() => peer.fault !== undefined);
    expect(peer.fault).toBe(0);
    peer.socket.write(data(ping(3n)));
    await peer.answered(3);
    clock.advance(5_000);
    await peer.closed;
  });

  it("leaves neither a timer nor a count behind", async () => {
    const clock = new ManualClock();
    running = await startServer({ clock });
    const idle = clock.pending;
    peer = new SingleStreamPeer(running.port);
    peer.start(headers(), data(OPEN));
    await peer.answered();
    expect(clock.pending).toBeGreaterThan(idle);
    peer.socket.destroy();
    await running.server.drain();
    expect(clock.pending).toBe(0);
  });
});

function bytesOf(peer: SingleStreamPeer): number {
  return peer.of(FRAME.data).reduce((sum, { body }) => sum + body.length, 0);
}

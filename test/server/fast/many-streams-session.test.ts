/** A connection with many streams that the server bounds: how many streams it tells of, and how far it reads. */
import { createServer, type Server } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { systemRng } from "../../../src/common/random.ts";
import { errorCode, setting, settings } from "../../../src/http2/frame.ts";
import type { CallSession, EmittingStream } from "../../../src/server/calls/http2-stream.ts";
import { ManyStreamsSession } from "../../../src/server/fast/many-streams-session.ts";
import { createFrameFloods } from "../../../src/server/limits/frame-guard.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
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
} from "../../support/many-streams-peer.ts";

const MAX_STREAMS = 10;
const MANY_STREAMS = 100;
let maxStreams = MAX_STREAMS;
/** What was left for later turns. */
let left: (() => void)[];

let server: Server;
let session: ManyStreamsSession;
let peer: ManyStreamsPeer;
let clock: ManualClock;
/** The calls that have begun. */
let begun: EmittingStream[];
let serve: (stream: EmittingStream) => void;

/** What waits to be read behind answers. */
let heldBytes: number;
let stalledSessions: CallSession[];

beforeEach(async () => {
  begun = [];
  left = [];
  heldBytes = 0;
  stalledSessions = [];
  serve = () => {};
  clock = new ManualClock();
  const limits = resolveTransportLimits({ connectionMaxStreams: maxStreams });
  const accepted = new Promise<void>((resolve) => {
    server = createServer((socket) => {
      socket.on("error", () => {});
      session = new ManyStreamsSession(socket, {
        limits,
        clock,
        rng: systemRng,
        boundary: loudBoundary,
        floods: createFrameFloods(),
        arrived: () => {},
        inTurn: (_, run) => left.push(run),
        spend: () => {},
        unread: (_, bytes) => {
          heldBytes += bytes;
        },
        endStalled(stalled) {
          stalledSessions.push(stalled);
          stalled.destroy();
        },
        serveCall(stream) {
          begun.push(stream);
          serve(stream);
        },
        peer: undefined,
      });
      session.start(Buffer.alloc(0));
      resolve();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  peer = new ManyStreamsPeer(typeof address === "object" && address !== null ? address.port : 0);
  await accepted;
});
afterEach(async () => {
  peer.socket.destroy();
  // One that is not read does not see that.
  session.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** As turns do. */
const readOn = (): boolean => {
  const isRead = session.reading.resume();
  session.reading.readRest();
  return isRead;
};
/** The system has what the peer has sent. */
const flushed = (): Promise<void> =>
  new Promise((resolve) => peer.socket.write(Buffer.alloc(0), () => resolve()));
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const answer = (stream: EmittingStream): void => stream.respond({ ":status": 200 }, { endStream: true });
const told = (): number[] =>
  peer
    .of(4)
    .filter(({ flags }) => flags === 0)
    .map((one) => one.body.readUInt32BE(2));

describe("a connection that is told of fewer streams", () => {
  it("may have as many as before until it has acknowledged that", async () => {
    peer.send(GREETING, SETTINGS_ACK, open(1), open(3));
    await peer.roundTrip();
    session.advertise(4);
    await peer.until(() => told().length === 2);
    expect(peer.of(4).at(-1)?.body).toEqual(settings([[setting.maxConcurrentStreams, 4]]).subarray(9));
    peer.send(...ids(4, 5).map((id) => open(id)));
    await peer.roundTrip();
    expect([begun.length, peer.of(3)]).toEqual([6, []]);
    peer.send(SETTINGS_ACK, open(13));
    await peer.ended(13);
    expect([begun.length, peer.resetOf(13)]).toEqual([6, errorCode.refusedStream]);
    peer.send(...ids(3).map((id) => reset(id)), open(15));
    await peer.roundTrip();
    expect([begun.length, peer.resetOf(15), peer.goAways]).toEqual([7, undefined, []]);
  });

  it("is refused what is more, and asked to go only beyond what it was told of first", async () => {
    peer.send(GREETING, SETTINGS_ACK);
    await peer.roundTrip();
    session.advertise(2);
    await peer.until(() => told().length === 2);
    peer.send(SETTINGS_ACK, ...ids(5).map((id) => open(id)));
    await peer.ended(5, 7, 9);
    expect(ids(5).map((id) => peer.resetOf(id))).toEqual([undefined, undefined, 7, 7, 7]);
    session.advertise(MAX_STREAMS);
    peer.send(SETTINGS_ACK, ...ids(MAX_STREAMS - 2, 11).map((id) => open(id)));
    await peer.roundTrip();
    expect([begun.length, peer.goAways]).toEqual([MAX_STREAMS, []]);
    peer.send(open(101));
    await peer.closed;
    expect(peer.goAways).toEqual([[101, errorCode.protocolError]]);
  });

  it("may acknowledge each of several, and no more", async () => {
    peer.send(GREETING, SETTINGS_ACK);
    await peer.roundTrip();
    for (const streams of [8, 6, 4]) session.advertise(streams);
    peer.send(SETTINGS_ACK, SETTINGS_ACK, SETTINGS_ACK);
    await peer.roundTrip();
    expect([told(), peer.goAways]).toEqual([[MAX_STREAMS, 8, 6, 4], []]);
    peer.send(SETTINGS_ACK);
    await peer.closed;
    expect(peer.fault).toBe(errorCode.protocolError);
    // It is gone: nothing is sent any more.
    session.advertise(2);
    session.retire();
    expect(session.ping(() => {})).toBe(false);
  });
});

describe("a connection that is stopped", () => {
  it("is read behind the frame at which it was stopped when it is read on, and nothing is lost", async () => {
    const order: number[] = [];
    serve = (stream) => {
      stream.on("data", () => {});
      order.push(order.length);
      session.reading.stop();
      answer(stream);
    };
    const streams = ids(50);
    peer.send(GREETING, ...streams.map((id) => call(id)));
    await peer.until(() => peer.isEnded(1));
    for (let count = 1; count < 50; count++) {
      await nextTurn();
      await nextTurn();
      expect(begun).toHaveLength(count);
      expect(readOn()).toBe(true);
      await peer.until(() => peer.isEnded(2 * count + 1));
    }
    expect(order).toHaveLength(50);
  });

  it("reads what comes in pieces meanwhile, in its order", async () => {
    const received: string[] = [];
    serve = (stream) => {
      stream.on("data", (chunk) => received.push(chunk.toString()));
      session.reading.stop();
    };
    peer.send(GREETING, open(1), body(1, Buffer.from("a"), 0));
    for (const text of ["b", "c", "d", "e"]) {
      peer.send(body(1, Buffer.from(text), 0));
      await nextTurn();
    }
    while (begun.length === 0) await nextTurn();
    expect(received).toEqual([]);
    readOn();
    readOn();
    await peer.roundTrip();
    expect(received.join("")).toBe("abcde");
  });

  it("says what waits to be read", async () => {
    peer.send(GREETING, SETTINGS_ACK);
    await peer.roundTrip();
    session.reading.stop();
    const bytes = call(1);
    session.reading.take(bytes);
    expect([session.reading.unreadBytes, heldBytes]).toEqual([bytes.length, 0]);
    readOn();
    expect([session.reading.unreadBytes, begun.length]).toEqual([0, 1]);
  });

  it.each(["it is read on", "it ends"])(
    "holds what waits behind answers that its peer does not take, until %s",
    async (end) => {
      peer.send(GREETING, SETTINGS_ACK);
      await peer.roundTrip();
      const bytes = call(1);
      const takesNothing = { configurable: true, value: 2 ** 20 };
      Object.defineProperty(session.socket, "writableLength", takesNothing);
      session.reading.take(bytes);
      expect([session.reading.resume(), session.reading.unreadBytes, heldBytes]).toEqual([
        false,
        0,
        bytes.length,
      ]);
      Reflect.deleteProperty(session.socket, "writableLength");
      if (end === "it ends") session.destroy();
      else expect(readOn()).toBe(true);
      await nextTurn();
      expect([heldBytes, begun.length]).toEqual([0, end === "it ends" ? 0 : 1]);
    },
  );

  it("holds nothing any more when it has ended, whoever asks it to be read on", async () => {
    peer.send(GREETING, SETTINGS_ACK);
    await peer.roundTrip();
    Object.defineProperty(session.socket, "writableLength", { configurable: true, value: 2 ** 20 });
    Object.defineProperty(session.socket, "readableLength", { configurable: true, value: 2 ** 16 });
    session.reading.take(call(1));
    expect(heldBytes).toBeGreaterThan(2 ** 16);
    session.destroy();
    session.reading.resume();
    session.reading.readRest();
    expect(heldBytes).toBe(0);
  });

  it("ends when it takes none of the answers that it lets others wait behind", async () => {
    peer.send(GREETING, SETTINGS_ACK);
    await peer.roundTrip();
    const { stallMaxMs } = resolveTransportLimits({});
    const writtenBytes = session.socket.bytesWritten;
    let taken = 0;
    Object.defineProperty(session.socket, "writableLength", { configurable: true, get: () => 2 ** 20 });
    Object.defineProperty(session.socket, "bytesWritten", {
      configurable: true,
      get: () => writtenBytes + taken,
    });
    session.reading.take(call(1));
    taken = 1;
    clock.advance(stallMaxMs);
    expect(session.closed).toBe(false);
    clock.advance(stallMaxMs);
    expect([session.closed, heldBytes, stalledSessions]).toEqual([true, 0, [session]]);
  });

  it("is not started by its own stream", async () => {
    peer.send(GREETING, SETTINGS_ACK, open(1));
    await peer.roundTrip();
    begun[0]?.on("data", () => session.reading.stop());
    // Two chunks of the socket: the second one stays in the system.
    for (let frames = 0; frames < 10; frames++) peer.send(body(1, Buffer.alloc(6_000), 0));
    await flushed();
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    const unreadBytes = session.reading.unreadBytes;
    peer.send(body(1, Buffer.alloc(5_000), 0));
    await flushed();
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    expect([session.reading.unreadBytes, session.socket.readableLength]).toEqual([unreadBytes, 0]);
  });

  it("is closed as soon as its peer is, when it is asked to go", async () => {
    peer.send(GREETING, SETTINGS_ACK);
    await peer.roundTrip();
    const closed = new Promise<void>((resolve) => session.once("close", resolve));
    session.reading.stop();
    peer.send(call(1));
    session.retire();
    await Promise.all([peer.closed, closed]);
    expect([begun, clock.pending]).toEqual([[], 0]);
  });

  it("ends at once when its peer is gone", async () => {
    peer.send(GREETING, open(1));
    await peer.roundTrip();
    const closed = new Promise<void>((resolve) => session.once("close", resolve));
    let streamsClosed = 0;
    begun[0]?.on("close", () => {
      streamsClosed += 1;
    });
    session.destroy();
    await closed;
    for (const run of left.splice(0)) run();
    await nextTurn();
    expect([streamsClosed, session.closed, clock.pending]).toEqual([1, true, 0]);
  });
});

describe("a stream of such a connection", () => {
  it("gives what came while it was paused to who goes on, and its end behind it", async () => {
    const events: string[] = [];
    serve = (stream) => {
      stream.on("data", (chunk) => {
        events.push(chunk.toString());
        stream.pause();
      });
      stream.on("end", () => events.push("end"));
      stream.on("close", () => events.push("close"));
    };
    peer.send(
      GREETING,
      open(1),
      body(1, Buffer.from("a"), 0),
      body(1, Buffer.from("b"), 0),
      body(1, Buffer.from("c")),
    );
    await peer.roundTrip();
    expect([events, begun[0]?.readableLength]).toEqual([["a"], expect.any(Number)]);
    begun[0]?.resume();
    await nextTurn();
    expect(events).toEqual(["a", "bc"]);
    begun[0]?.resume();
    await nextTurn();
    expect(events).toEqual(["a", "bc", "end"]);
    if (begun[0] !== undefined) answer(begun[0]);
    await peer.ended(1);
    expect(events).toEqual(["a", "bc", "end", "close"]);
  });

  it("takes nothing any more when it is over, and tells who writes", async () => {
    peer.send(GREETING, open(1));
    await peer.roundTrip();
    const [stream] = begun;
    peer.send(reset(1));
    await peer.roundTrip();
    expect([stream?.closed, stream?.destroyed]).toEqual([true, true]);
    const errors: unknown[] = [];
    stream?.respond({ ":status": 200 }, {});
    stream?.write(Buffer.of(1), (error) => errors.push(error));
    stream?.end(Buffer.of(1), (error) => errors.push(error));
    stream?.sendTrailers({ x: "y" });
    stream?.pause();
    stream?.resume();
    stream?.close(errorCode.cancel);
    await peer.roundTrip();
    expect(errors).toEqual([expect.any(Error), expect.any(Error)]);
    expect([peer.of(1), peer.of(3)]).toEqual([[], []]);
  });
});

describe("a connection with many calls that ends", () => {
  beforeAll(() => {
    maxStreams = MANY_STREAMS;
  });
  afterAll(() => {
    maxStreams = MAX_STREAMS;
  });

  it("ends them in turns, and sends nothing for them any more", async () => {
    peer.send(GREETING, SETTINGS_ACK, ...ids(MANY_STREAMS).map((id) => open(id)));
    await peer.roundTrip();
    let closed = 0;
    for (const stream of begun) stream.on("close", () => (closed += 1));
    session.destroy();
    const closedIn: number[] = [];
    for (let run: (() => void) | undefined; ; run = left.shift()) {
      const before = closed;
      run?.();
      await nextTurn();
      closedIn.push(closed - before);
      if (left.length === 0) break;
      expect(begun.every((stream) => stream.closed)).toBe(true);
    }
    expect(closed).toBe(MANY_STREAMS);
    expect(Math.max(...closedIn)).toBeLessThanOrEqual(16);
    const errors: unknown[] = [];
    begun[0]?.write(Buffer.of(1), (error) => errors.push(error));
    expect(errors).toEqual([expect.any(Error)]);
  });
});

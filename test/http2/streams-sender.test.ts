/** Streams share the windows of their peer, a frame each, and who sent bytes is told once what became of them. */
import { Socket } from "node:net";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { DEFAULT_WINDOW_BYTES, FRAME_MAX_BYTES, WINDOW_MAX_BYTES } from "../../src/http2/frame.ts";
import { FrameWriter, type Taken } from "../../src/http2/frame-writer.ts";
import { type PeerStream, StreamState } from "../../src/http2/peer-stream.ts";
import { StreamsSender } from "../../src/http2/streams-sender.ts";
import { loudBoundary } from "../support/loud-boundary.ts";

interface Sent {
  readonly id: number;
  readonly bytes: Buffer;
}

/** Notes the frames, and is full when it is told to be. */
class NotingWriter extends FrameWriter {
  readonly sent: Sent[] = [];
  full = false;

  constructor() {
    super(new Socket(), loudBoundary);
  }

  override get isFull(): boolean {
    return this.full;
  }

  override data(id: number, bytes: Buffer, from: number, partBytes: number, taken: Taken | undefined): void {
    this.sent.push({ id, bytes: Buffer.from(bytes.subarray(from, from + partBytes)) });
    taken?.();
  }
}

class TestStream implements PeerStream {
  readonly state: StreamState;
  flushes = 0;

  constructor(id: number) {
    this.state = new StreamState(id, 0, Number.NaN);
  }

  receive(): void {}
  requestEnded(): void {}
  over(): void {}
  flushed(): void {
    this.flushes += 1;
  }
}

let writer: NotingWriter;
let sender: StreamsSender;
let streams: Map<number, TestStream>;
let told: (readonly [name: string, failed: boolean])[];
beforeEach(() => {
  writer = new NotingWriter();
  streams = new Map([1, 3, 5].map((id) => [id, new TestStream(id)]));
  sender = new StreamsSender(
    writer,
    (id) => streams.get(id),
    (visit) => {
      for (const stream of streams.values()) visit(stream);
    },
  );
  told = [];
});

function streamOf(id: number): TestStream {
  const stream = streams.get(id);
  if (stream === undefined) throw new Error(`no stream ${id}`);
  return stream;
}

function send(id: number, bytes: number, name = `${id}`): void {
  sender.send(streamOf(id), Buffer.alloc(bytes, id), (error) => told.push([name, error instanceof Error]));
}

const bytesOf = (id: number): number =>
  writer.sent.filter((one) => one.id === id).reduce((sum, { bytes }) => sum + bytes.length, 0);
const order = (): number[] => writer.sent.map(({ id }) => id);

describe("StreamsSender", () => {
  it("sends at once what fits, and what does not in frames that are no larger than they may always be", () => {
    send(1, 100);
    expect([order(), told]).toEqual([[1], [["1", false]]]);
    send(3, 2 * FRAME_MAX_BYTES + 1);
    expect(writer.sent.slice(1).map(({ bytes }) => bytes.length)).toEqual([
      FRAME_MAX_BYTES,
      FRAME_MAX_BYTES,
      1,
    ]);
    expect([streamOf(1).flushes, streamOf(3).flushes]).toEqual([0, 1]);
    expect(sender.setFrameMax(40_000)).toBe(true);
    sender.grow(0, 100_000);
    sender.grow(5, 100_000);
    send(5, 50_000);
    expect(writer.sent.slice(4).map(({ bytes }) => bytes.length)).toEqual([
      FRAME_MAX_BYTES,
      FRAME_MAX_BYTES,
      FRAME_MAX_BYTES,
      50_000 - 3 * FRAME_MAX_BYTES,
    ]);
  });

  it("lets streams take turns, and tells each once when its last bytes are sent", () => {
    writer.full = true;
    for (const id of [1, 3, 5]) send(id, 20_000);
    send(1, 10, "second of 1");
    expect([writer.sent, told]).toEqual([[], []]);
    writer.full = false;
    sender.flush();
    expect(order()).toEqual([1, 3, 5, 1, 3, 5, 1]);
    expect(told.map(([name]) => name)).toEqual(["1", "3", "5", "second of 1"]);
    expect([1, 3, 5].map((id) => streamOf(id).flushes)).toEqual([1, 1, 1]);
  });

  it("stops at the window of the connection, and goes on in the same line", () => {
    for (const id of [1, 3]) send(id, DEFAULT_WINDOW_BYTES);
    expect([bytesOf(1), bytesOf(3)]).toEqual([DEFAULT_WINDOW_BYTES, 0]);
    sender.grow(0, 10);
    sender.flush();
    expect(bytesOf(3)).toBe(10);
    expect([sender.isFlushed(streamOf(1)), sender.isFlushed(streamOf(3))]).toEqual([true, false]);
  });

  it("skips streams without a window, which settings may make negative", () => {
    sender.grow(0, 1_000_000);
    sender.setInitialWindow(1_000);
    send(1, 5_000);
    expect(bytesOf(1)).toBe(1_000);
    sender.setInitialWindow(0);
    send(3, 1);
    sender.grow(5, 2);
    send(5, 2);
    sender.grow(1, 1_000);
    sender.flush();
    expect([bytesOf(1), bytesOf(3), bytesOf(5)]).toEqual([1_000, 0, 2]);
    sender.grow(1, 1);
    sender.flush();
    expect(bytesOf(1)).toBe(1_001);
    sender.setInitialWindow(500);
    sender.flush();
    expect([bytesOf(1), bytesOf(3)]).toEqual([1_501, 1]);
  });

  it("sends nothing of a stream that is over, and tells once that it was cut off", () => {
    send(1, DEFAULT_WINDOW_BYTES + 1, "first");
    send(1, 5, "second");
    send(3, 5);
    streamOf(1).state.isOver = true;
    sender.drop(streamOf(1));
    streams.delete(1);
    expect(told).toEqual([
      ["first", true],
      ["second", true],
    ]);
    sender.grow(0, 100);
    expect(sender.grow(1, 100)).toBe(true);
    sender.flush();
    expect([bytesOf(1), bytesOf(3), told.slice(2)]).toEqual([DEFAULT_WINDOW_BYTES, 5, [["3", false]]]);
  });

  it("knows windows and frames that are larger or smaller than they may be", () => {
    expect(sender.grow(0, WINDOW_MAX_BYTES - DEFAULT_WINDOW_BYTES)).toBe(true);
    expect(sender.grow(0, 1)).toBe(false);
    expect(sender.grow(1, WINDOW_MAX_BYTES - DEFAULT_WINDOW_BYTES)).toBe(true);
    expect(sender.setInitialWindow(DEFAULT_WINDOW_BYTES + 1)).toBe(false);
    expect(sender.setInitialWindow(WINDOW_MAX_BYTES + 1)).toBe(false);
    expect(
      [FRAME_MAX_BYTES - 1, FRAME_MAX_BYTES, 2 ** 24 - 1, 2 ** 24].map((max) => sender.setFrameMax(max)),
    ).toEqual([false, true, true, false]);
  });

  it("exceeds no window and loses nothing, whatever comes in whatever order", () => {
    const id = fc.constantFrom(1, 3, 5);
    const step = fc.oneof(
      fc.record({ kind: fc.constant("send" as const), id, bytes: fc.integer({ min: 1, max: 40_000 }) }),
      fc.record({
        kind: fc.constant("grow" as const),
        id: fc.constantFrom(0, 1, 3, 5),
        bytes: fc.integer({ min: 1, max: 40_000 }),
      }),
      fc.record({ kind: fc.constant("initial" as const), id, bytes: fc.integer({ min: 0, max: 70_000 }) }),
      fc.record({ kind: fc.constant("full" as const), id, bytes: fc.integer({ min: 0, max: 1 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        writer = new NotingWriter();
        streams = new Map([1, 3, 5].map((one) => [one, new TestStream(one)]));
        sender = new StreamsSender(
          writer,
          (one) => streams.get(one),
          (visit) => {
            for (const stream of streams.values()) visit(stream);
          },
        );
        told = [];
        const wanted = new Map([1, 3, 5].map((one) => [one, 0]));
        const grown = new Map([0, 1, 3, 5].map((one) => [one, 0]));
        let initial = DEFAULT_WINDOW_BYTES;
        let sends = 0;
        const room = (one: number): number =>
          (one === 0 ? DEFAULT_WINDOW_BYTES - bytesOf(1) - bytesOf(3) - bytesOf(5) : initial - bytesOf(one)) +
          (grown.get(one) ?? 0);
        for (const { kind, id: one, bytes } of steps) {
          const before = writer.sent.length;
          if (kind === "send") {
            wanted.set(one, (wanted.get(one) ?? 0) + bytes);
            sends += 1;
            send(one, bytes);
          } else if (kind === "grow") {
            grown.set(one, (grown.get(one) ?? 0) + bytes);
            sender.grow(one, bytes);
          } else if (kind === "initial") {
            initial = bytes;
            sender.setInitialWindow(bytes);
          } else writer.full = bytes === 1;
          sender.flush();
          if (writer.full) expect(writer.sent.length).toBe(before);
          for (const sent of writer.sent.slice(before)) expect(room(sent.id)).toBeGreaterThanOrEqual(0);
          expect(room(0)).toBeGreaterThanOrEqual(0);
        }
        writer.full = false;
        sender.setInitialWindow(2 ** 30);
        sender.grow(0, 2 ** 30);
        sender.flush();
        for (const one of [1, 3, 5]) expect(bytesOf(one)).toBe(wanted.get(one));
        expect(told).toHaveLength(sends);
        expect(told.some(([, failed]) => failed)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

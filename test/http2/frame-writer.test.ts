/** Frames leave in their order, many in one write, and who sent bytes is told once what became of them. */
import { Socket } from "node:net";
import { beforeEach, describe, expect, it } from "vitest";
import { frame, frameType } from "../../src/http2/frame.ts";
import { FrameWriter } from "../../src/http2/frame-writer.ts";
import { loudBoundary } from "../support/loud-boundary.ts";

/** A socket that keeps what is written, and takes it when it is told to. */
class HeldSocket extends Socket {
  readonly writes: Buffer[] = [];
  readonly #waiting: ((error?: Error) => void)[] = [];

  override _write(chunk: Buffer, _encoding: string, taken: () => void): void {
    this.writes.push(Buffer.from(chunk));
    this.#waiting.push(taken);
  }

  override _writev(chunks: { readonly chunk: Buffer }[], taken: () => void): void {
    this.writes.push(Buffer.concat(chunks.map(({ chunk }) => chunk)));
    this.#waiting.push(taken);
  }

  async takeAll(error?: Error): Promise<void> {
    while (this.#waiting.length > 0) {
      for (const taken of this.#waiting.splice(0)) taken(error);
      await nextTurn();
    }
  }

  get bytes(): Buffer {
    return Buffer.concat(this.writes);
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const ping = (byte: number): Buffer => frame(frameType.ping, 0, 0, Buffer.alloc(8, byte));
const data = (id: number, bytes: Buffer): Buffer => frame(frameType.data, 0, id, bytes);

let socket: HeldSocket;
let writer: FrameWriter;
let told: (readonly [name: string, error: string | undefined])[];
const taken = (name: string) => (error?: Error | null) => void told.push([name, error?.message]);

beforeEach(() => {
  socket = new HeldSocket();
  socket.on("error", () => {});
  writer = new FrameWriter(socket, loudBoundary);
  told = [];
});

describe("FrameWriter", () => {
  it("sends the frames of a turn in their order and in one write", async () => {
    writer.frame(frameType.ping, 0, 0, Buffer.alloc(8, 1));
    writer.frames(ping(2));
    writer.headers(1, Buffer.of(7, 7), 1);
    writer.data(3, Buffer.from("xabcx"), 1, 3, taken("abc"));
    writer.frame(frameType.ping, 0, 0, Buffer.alloc(8, 3));
    expect(socket.writes).toEqual([]);
    await nextTurn();
    const sent = [ping(1), ping(2), frame(1, 5, 1, Buffer.of(7, 7)), data(3, Buffer.from("abc")), ping(3)];
    expect(socket.writes).toEqual([Buffer.concat(sent)]);
  });

  it("sends at once what is flushed, and nothing twice", async () => {
    writer.frames(ping(1));
    writer.flush();
    expect(socket.writes).toHaveLength(1);
    writer.flush();
    writer.frames(ping(2));
    await nextTurn();
    await socket.takeAll();
    expect(socket.bytes).toEqual(Buffer.concat([ping(1), ping(2)]));
  });

  it("tells who sent bytes once that the socket has them, in their order", async () => {
    const large = Buffer.alloc(10_000, "l");
    writer.data(1, Buffer.from("a"), 0, 1, taken("a"));
    writer.data(1, Buffer.from("b"), 0, 1, taken("b"));
    writer.data(3, large, 0, large.length, taken("large"));
    writer.data(1, Buffer.from("c"), 0, 1, taken("c"));
    await nextTurn();
    expect(told).toEqual([]);
    await socket.takeAll();
    expect(told).toEqual(["a", "b", "large", "c"].map((name) => [name, undefined]));
    const all = [
      data(1, Buffer.from("a")),
      data(1, Buffer.from("b")),
      data(3, large),
      data(1, Buffer.from("c")),
    ];
    expect(socket.bytes).toEqual(Buffer.concat(all));
  });

  it("tells who sent bytes once that an error has cut them off", async () => {
    const large = Buffer.alloc(10_000);
    writer.data(1, Buffer.from("a"), 0, 1, taken("a"));
    writer.data(3, large, 0, large.length, taken("large"));
    await nextTurn();
    writer.data(1, Buffer.from("b"), 0, 1, taken("b"));
    await nextTurn();
    await socket.takeAll(new Error("planted"));
    expect(told.map(([name]) => name).sort()).toEqual(["a", "b", "large"]);
    expect(told.every(([, error]) => error !== undefined)).toBe(true);
    // Also what is sent later.
    writer.data(1, Buffer.from("c"), 0, 1, taken("c"));
    writer.data(3, large, 0, large.length, taken("late"));
    await nextTurn();
    await nextTurn();
    expect(told.slice(3).map(([name, error]) => [name, error !== undefined])).toEqual([
      ["c", true],
      ["late", true],
    ]);
  });

  it("sends a part of large bytes as they are, behind the frames before it", async () => {
    const bytes = Buffer.concat([Buffer.alloc(5, "x"), Buffer.alloc(6_000, "y"), Buffer.alloc(5, "x")]);
    writer.frames(ping(1));
    writer.data(5, bytes, 5, 6_000, undefined);
    writer.frames(ping(2));
    await nextTurn();
    await socket.takeAll();
    expect(socket.bytes).toEqual(Buffer.concat([ping(1), data(5, Buffer.alloc(6_000, "y")), ping(2)]));
  });

  it("gathers no more than 16 KiB", async () => {
    for (let count = 0; count < 3_000; count++) writer.frames(ping(count % 256));
    await nextTurn();
    await socket.takeAll();
    expect(socket.bytes).toEqual(
      Buffer.concat(Array.from({ length: 3_000 }, (_, count) => ping(count % 256))),
    );
  });

  it("cuts long headers into frames, the last of which ends them", async () => {
    const block = Buffer.alloc(40_000, 7);
    writer.headers(9, block, 1);
    await nextTurn();
    await socket.takeAll();
    const pieces = [
      frame(frameType.headers, 1, 9, block.subarray(0, 16_384)),
      frame(frameType.continuation, 0, 9, block.subarray(16_384, 32_768)),
      frame(frameType.continuation, 4, 9, block.subarray(32_768)),
    ];
    expect(socket.bytes).toEqual(Buffer.concat(pieces));
  });

  it("sends headers without a field", async () => {
    writer.headers(1, Buffer.alloc(0), 1);
    await nextTurn();
    expect(socket.bytes).toEqual(frame(frameType.headers, 5, 1, Buffer.alloc(0)));
  });

  it("is full while the socket wants to be drained", async () => {
    expect(writer.isFull).toBe(false);
    while (!writer.isFull) writer.data(1, Buffer.alloc(16_000), 0, 16_000, undefined);
    await socket.takeAll();
    expect(writer.isFull).toBe(false);
  });
});

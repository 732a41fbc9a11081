/** What a single-stream connection keeps for a peer that grants a window and takes nothing. */

import { Socket, type SocketConstructorOpts } from "node:net";
import type { DuplexOptions } from "node:stream";
import { describe, expect, it } from "vitest";
import { frame, frameType, settings, windowUpdate } from "../../src/http2/frame.ts";
import { SingleStreamConnection } from "../../src/http2/single-stream.ts";
import { loudBoundary } from "../support/loud-boundary.ts";

const MARK_BYTES = 1_024;

/** A socket that takes nothing until `takeAll` is called. */
class StuckSocket extends Socket {
  #waiting: (() => void)[] = [];

  constructor() {
    const options: SocketConstructorOpts & DuplexOptions = { writableHighWaterMark: MARK_BYTES };
    super(options);
  }

  override _write(_chunk: unknown, _encoding: string, taken: () => void): void {
    this.#waiting.push(taken);
  }

  override _writev(_chunks: unknown, taken: () => void): void {
    this.#waiting.push(taken);
  }

  /** False: nothing is written. */
  takeAll(): boolean {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const taken of waiting) taken();
    return waiting.length > 0;
  }
}

class Connection {
  taken = 0;
  readonly #wire: SingleStreamConnection;

  constructor(socket: Socket) {
    const limits = { windowBytes: 65_535, headers: { maxBytes: 1_000, maxPairs: 10 } };
    this.#wire = new SingleStreamConnection("client", socket, loudBoundary, limits, {
      headers: () => {},
      data: () => {},
      ended: () => {},
      reset: () => {},
      goesAway: () => {},
      flushed: () => {},
      pingAnswered: () => false,
      admits: () => true,
      fault({ what }) {
        throw new Error(what);
      },
    });
  }

  send(bytes: Buffer): void {
    this.#wire.sendData(bytes, () => {
      this.taken += 1;
    });
  }

  receive(bytes: Buffer): void {
    this.#wire.read(bytes, bytes.length);
  }
}

describe("SingleStreamConnection", () => {
  it("queues no frame for each one-byte window update, and sends all when the peer takes it", async () => {
    const socket = new StuckSocket();
    const connection = new Connection(socket);
    connection.receive(settings([[4, 0]]));
    connection.receive(windowUpdate(0, 1_000_000));
    for (let message = 0; message < 3; message++) connection.send(Buffer.alloc(30_000));
    const dribble = Buffer.concat(Array(1_000).fill(windowUpdate(1, 1)));
    for (let round = 0; round < 90; round++) connection.receive(dribble);
    expect(socket.writableLength).toBeLessThan(2 * MARK_BYTES);
    while (socket.takeAll()) await new Promise((resolve) => setImmediate(resolve));
    expect(connection.taken).toBe(3);
    expect(socket.writableLength).toBe(0);
    socket.destroy();
  });

  it("sends many waiting messages in their order", () => {
    const sent: number[] = [];
    const socket = new StuckSocket();
    socket._write = (chunk: unknown, _encoding, taken) => {
      if (Buffer.isBuffer(chunk) && chunk[3] === frameType.data) sent.push(chunk.readUInt32BE(9));
      taken();
    };
    const connection = new Connection(socket);
    connection.receive(settings([[4, 0]]));
    for (let message = 0; message < 1_000; message++) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(message);
      connection.send(bytes);
    }
    for (let round = 0; round < 500; round++) connection.receive(windowUpdate(1, 4));
    expect(sent).toEqual(Array.from({ length: 500 }, (_, message) => message));
    expect(() => connection.receive(frame(frameType.ping, 0, 0, Buffer.alloc(3)))).toThrow("length");
    socket.destroy();
  });
});

/**
 * Gathers the frames that a connection sends, so that those of many small answers leave in one write: a write costs more than
 * all else that is done with a small frame.
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Boundary } from "../common/boundary.ts";
import { NO_BUFFER } from "../common/bytes.ts";
import { FRAME_HEAD_BYTES, FRAME_MAX_BYTES, flag, frameType, headerFrames, writeFrameHead } from "./frame.ts";

/** Called once, when nobody reads the bytes any more. `error`: they were not all sent. */
export type Taken = (error?: Error | null) => void;

const FIRST_BYTES = 512;
/** Of what a socket keeps before it is full. */
const OVERFULL_PART = 2;
/** What is gathered leaves beyond this. */
const GATHERED_MAX_BYTES = 16 * 1024;
/** Larger bodies are not copied: the socket reads them in place. */
export const COPIED_MAX_BYTES = 4 * 1024;

export class FrameWriter {
  readonly #socket: Socket;
  readonly #boundary: Boundary;
  readonly #flushLater: () => void;
  /** Frames that were gathered, and behind them room for more. */
  #bytes: Buffer = NO_BUFFER;
  #length = 0;
  /** To be told when the socket has what was gathered. */
  #taken: Taken[] = [];
  #scheduled = false;

  constructor(socket: Socket, boundary: Boundary) {
    this.#socket = socket;
    this.#boundary = boundary;
    this.#flushLater = boundary.guard(socket, () => this.flush());
  }

  /** The peer takes less than it is sent: what can wait is to wait for the event "drain" of the socket. */
  get isFull(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** So much less that nothing more is to be read of it: its answers would only add to that. What waits to be sent stays below. */
  get isOverfull(): boolean {
    return this.#socket.writableLength > OVERFULL_PART * this.#socket.writableHighWaterMark;
  }

  /** Copies the body. */
  frame(type: number, flags: number, streamId: number, body: Uint8Array): void {
    const at = this.#room(FRAME_HEAD_BYTES + body.length);
    writeFrameHead(this.#bytes, at, type, flags, streamId, body.length);
    this.#bytes.set(body, at + FRAME_HEAD_BYTES);
  }

  /** Sends frames that were made before. */
  frames(bytes: Buffer, taken?: Taken): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    if (taken !== undefined) this.#taken.push(taken);
  }

  /** `flags`: those of the first frame, beside END_HEADERS. */
  headers(streamId: number, block: Buffer, flags: number): void {
    if (block.length > FRAME_MAX_BYTES) this.frames(headerFrames(streamId, block, flags));
    else this.frame(frameType.headers, flags | flag.endHeaders, streamId, block);
  }

  /** Sends a part of `bytes`, which nobody may write to until they are taken. */
  data(streamId: number, bytes: Buffer, from: number, partBytes: number, taken: Taken | undefined): void {
    if (partBytes > COPIED_MAX_BYTES) {
      const at = this.#room(FRAME_HEAD_BYTES);
      writeFrameHead(this.#bytes, at, frameType.data, 0, streamId, partBytes);
      this.#socket.cork();
      this.flush();
      this.#socket.write(bytes.subarray(from, from + partBytes), taken);
      this.#socket.uncork();
      return;
    }
    const at = this.#room(FRAME_HEAD_BYTES + partBytes);
    writeFrameHead(this.#bytes, at, frameType.data, 0, streamId, partBytes);
    bytes.copy(this.#bytes, at + FRAME_HEAD_BYTES, from, from + partBytes);
    if (taken !== undefined) this.#taken.push(taken);
  }

  /** Gives the socket what was gathered. */
  flush(): void {
    this.#scheduled = false;
    if (this.#length === 0) return;
    const bytes = this.#bytes.subarray(0, this.#length);
    const taken = this.#taken;
    this.#bytes = NO_BUFFER;
    this.#length = 0;
    if (taken.length === 0) {
      this.#socket.write(bytes);
      return;
    }
    this.#taken = [];
    this.#socket.write(
      bytes,
      this.#boundary.guard(this.#socket, (error?: Error | null) => {
        for (const one of taken) one(error);
      }),
    );
  }

  /** Makes room behind what was gathered. Returns where it begins. */
  #room(bytes: number): number {
    if (this.#length + bytes > GATHERED_MAX_BYTES) this.flush();
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(FIRST_BYTES, 2 * this.#length));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    if (!this.#scheduled) {
      this.#scheduled = true;
      process.nextTick(this.#flushLater);
    }
    return at;
  }
}

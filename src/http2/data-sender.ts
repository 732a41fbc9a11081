/** Sends the bytes of a stream as DATA frames, within the windows of the peer and what the socket takes. */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import {
  DEFAULT_WINDOW_BYTES,
  FRAME_HEAD_BYTES,
  FRAME_MAX_BYTES,
  frameType,
  STREAM_ID,
  WINDOW_MAX_BYTES,
  writeFrameHead,
} from "./frame.ts";
import { COPIED_MAX_BYTES, type Taken } from "./frame-writer.ts";
import { FRAME_LENGTH_MAX, type PeerWindows } from "./peer-windows.ts";
import { WaitingBytes } from "./waiting-bytes.ts";
import { WindowUpdateBudget } from "./window-update-budget.ts";

export class DataSender implements PeerWindows {
  readonly #socket: Socket;
  /** Messages, or the rest of one, for which the peer's windows or the socket have no room. */
  readonly #waiting: WaitingBytes[] = [];
  /** Index of the first: to shift a long array moves all of it. */
  #firstWaiting = 0;
  #connectionWindow = DEFAULT_WINDOW_BYTES;
  #streamWindow = DEFAULT_WINDOW_BYTES;
  #initialWindow = DEFAULT_WINDOW_BYTES;
  #frameMaxBytes = FRAME_MAX_BYTES;
  readonly budget = new WindowUpdateBudget();

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Whether the socket has all that was sent. */
  get flushed(): boolean {
    return this.#firstWaiting === this.#waiting.length;
  }

  /** Nobody may write to `bytes` until they are taken: by the socket, or with an error when the stream is over. */
  send(bytes: Buffer, taken: Taken): void {
    const room = Math.min(this.#connectionWindow, this.#streamWindow, this.#frameMaxBytes);
    if (this.flushed && bytes.length <= room && !this.#socket.writableNeedDrain) {
      this.#sendPart(bytes, 0, bytes.length, taken);
      return;
    }
    this.#waiting.push(new WaitingBytes(bytes, taken));
    this.flush();
  }

  /** Stops at backpressure of the socket: otherwise one-byte window updates would queue one frame for each byte. */
  flush(): void {
    while (!this.#socket.writableNeedDrain) {
      const first = this.#waiting[this.#firstWaiting];
      if (first === undefined) return;
      const { bytes, sentBytes } = first;
      const room = Math.min(this.#connectionWindow, this.#streamWindow, this.#frameMaxBytes);
      const partBytes = Math.min(bytes.length - sentBytes, room);
      if (partBytes <= 0) return;
      const taken = first.send(partBytes, partBytes <= COPIED_MAX_BYTES);
      if (first.isSent) this.#passFirst();
      this.#sendPart(bytes, sentBytes, partBytes, taken);
    }
  }

  /** Sends nothing of what waits. */
  stop(): void {
    const waiting = this.#waiting.splice(0).slice(this.#firstWaiting);
    this.#firstWaiting = 0;
    for (const one of waiting) one.drop();
  }

  setInitialWindow(bytes: number): boolean {
    this.#streamWindow += bytes - this.#initialWindow;
    this.#initialWindow = bytes;
    return bytes <= WINDOW_MAX_BYTES && this.#streamWindow <= WINDOW_MAX_BYTES;
  }

  setFrameMax(bytes: number): boolean {
    this.#frameMaxBytes = bytes;
    return bytes >= FRAME_MAX_BYTES && bytes <= FRAME_LENGTH_MAX;
  }

  grow(streamId: number, bytes: number): boolean {
    if (streamId === 0) this.#connectionWindow += bytes;
    else this.#streamWindow += bytes;
    return Math.max(this.#connectionWindow, this.#streamWindow) <= WINDOW_MAX_BYTES;
  }

  #sendPart(bytes: Buffer, from: number, partBytes: number, taken: Taken | undefined): void {
    const socket = this.#socket;
    this.#connectionWindow -= partBytes;
    this.#streamWindow -= partBytes;
    this.budget.sent(partBytes, from + partBytes === bytes.length);
    if (partBytes <= COPIED_MAX_BYTES) {
      // Behind the head of its frame: one write, and one system call.
      const copy = Buffer.allocUnsafe(FRAME_HEAD_BYTES + partBytes);
      writeFrameHead(copy, 0, frameType.data, 0, STREAM_ID, partBytes);
      bytes.copy(copy, FRAME_HEAD_BYTES, from, from + partBytes);
      socket.write(copy, taken);
      return;
    }
    const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
    writeFrameHead(head, 0, frameType.data, 0, STREAM_ID, partBytes);
    socket.cork();
    socket.write(head);
    socket.write(bytes.subarray(from, from + partBytes), taken);
    socket.uncork();
  }

  #passFirst(): void {
    this.#firstWaiting += 1;
    if (this.#firstWaiting < this.#waiting.length / 2) return;
    this.#waiting.splice(0, this.#firstWaiting);
    this.#firstWaiting = 0;
  }
}

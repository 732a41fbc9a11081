/**
 * Sends the bytes of many streams as DATA frames, within the windows of the peer and what the socket takes. Streams take turns,
 * a frame each.
 */
import type { Buffer } from "node:buffer";
import { Fifo } from "../common/fifo.ts";
import { LinkedList } from "../common/linked-list.ts";
import { DEFAULT_WINDOW_BYTES, FRAME_MAX_BYTES, WINDOW_MAX_BYTES } from "./frame.ts";
import { COPIED_MAX_BYTES, type FrameWriter, type Taken } from "./frame-writer.ts";
import type { PeerStream, StreamState } from "./peer-stream.ts";
import { FRAME_LENGTH_MAX, type PeerWindows } from "./peer-windows.ts";
import { WaitingBytes } from "./waiting-bytes.ts";
import { WindowUpdateBudget } from "./window-update-budget.ts";

export class StreamsSender implements PeerWindows {
  readonly #writer: FrameWriter;
  readonly #streamOf: (id: number) => PeerStream | undefined;
  readonly #visitStreams: (visit: (stream: PeerStream) => void) => void;
  /** Those that have something to send and windows for it, but the connection has no room. */
  readonly #ready = new LinkedList<StreamState>();
  #connectionWindow = DEFAULT_WINDOW_BYTES;
  #initialWindow = DEFAULT_WINDOW_BYTES;
  readonly budget = new WindowUpdateBudget();

  constructor(
    writer: FrameWriter,
    streamOf: (id: number) => PeerStream | undefined,
    visitStreams: (visit: (stream: PeerStream) => void) => void,
  ) {
    this.#writer = writer;
    this.#streamOf = streamOf;
    this.#visitStreams = visitStreams;
  }

  /** Nobody may write to `bytes` until they are taken: by the socket, or with an error when the stream is over. */
  send(stream: PeerStream, bytes: Buffer, taken: Taken): void {
    const { state } = stream;
    const window = this.#initialWindow + state.sendWindowBytes;
    const isFirst = state.waiting === undefined || state.waiting.length === 0;
    const fits = bytes.length <= Math.min(this.#connectionWindow, window, FRAME_MAX_BYTES);
    if (isFirst && fits && this.#ready.size === 0 && !this.#writer.isFull) {
      this.#sendPart(stream, bytes, 0, bytes.length, taken);
      return;
    }
    state.waiting ??= new Fifo();
    state.waiting.push(new WaitingBytes(bytes, taken));
    this.#enlist(stream);
    this.flush();
  }

  /** Stops at backpressure of the socket: otherwise one-byte window updates would queue one frame for each byte. */
  flush(): void {
    while (!this.#writer.isFull && this.#connectionWindow > 0) {
      const state = this.#ready.oldest;
      if (state === undefined) return;
      this.#ready.delete(state);
      const stream = this.#streamOf(state.id);
      if (stream !== undefined) this.#sendFrame(stream);
    }
  }

  /** Whether all bytes of a stream were given to the socket. */
  isFlushed({ state }: PeerStream): boolean {
    return state.waiting === undefined || state.waiting.length === 0;
  }

  /** Sends nothing of what waits. */
  drop({ state }: PeerStream): void {
    const { waiting } = state;
    if (waiting === undefined) return;
    this.#ready.delete(state);
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) next.drop();
  }

  setInitialWindow(bytes: number): boolean {
    this.#initialWindow = bytes;
    if (bytes > WINDOW_MAX_BYTES) return false;
    let fits = true;
    this.#visitStreams((stream) => {
      if (bytes + stream.state.sendWindowBytes > WINDOW_MAX_BYTES) fits = false;
      this.#enlist(stream);
    });
    return fits;
  }

  /** Frames stay as small as they may always be: streams take turns, a frame each. */
  setFrameMax(bytes: number): boolean {
    return bytes >= FRAME_MAX_BYTES && bytes <= FRAME_LENGTH_MAX;
  }

  grow(streamId: number, bytes: number): boolean {
    if (streamId === 0) {
      this.#connectionWindow += bytes;
      return this.#connectionWindow <= WINDOW_MAX_BYTES;
    }
    const stream = this.#streamOf(streamId);
    if (stream === undefined) return true;
    stream.state.sendWindowBytes += bytes;
    this.#enlist(stream);
    return this.#initialWindow + stream.state.sendWindowBytes <= WINDOW_MAX_BYTES;
  }

  /** A stream without a window comes into the line when it has one. */
  #enlist(stream: PeerStream): void {
    const { state } = stream;
    if (this.#ready.has(state) || this.isFlushed(stream) || this.#initialWindow + state.sendWindowBytes <= 0)
      return;
    this.#ready.add(state);
  }

  #sendFrame(stream: PeerStream): void {
    const { state } = stream;
    const first = state.waiting?.peek();
    if (first === undefined) return;
    const { bytes, sentBytes } = first;
    const window = this.#initialWindow + state.sendWindowBytes;
    const room = Math.min(this.#connectionWindow, window, FRAME_MAX_BYTES);
    const partBytes = Math.min(bytes.length - sentBytes, room);
    if (partBytes <= 0) return;
    const taken = first.send(partBytes, partBytes <= COPIED_MAX_BYTES);
    if (first.isSent) state.waiting?.shift();
    this.#sendPart(stream, bytes, sentBytes, partBytes, taken);
    this.#enlist(stream);
    if (this.isFlushed(stream)) stream.flushed();
  }

  #sendPart(
    stream: PeerStream,
    bytes: Buffer,
    from: number,
    partBytes: number,
    taken: Taken | undefined,
  ): void {
    this.#connectionWindow -= partBytes;
    stream.state.sendWindowBytes -= partBytes;
    this.budget.sent(partBytes, from + partBytes === bytes.length);
    this.#writer.data(stream.state.id, bytes, from, partBytes, taken);
  }
}

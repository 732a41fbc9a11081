/** A stream of a connection with many, as calls use it: what comes of its request, and what is sent in answer. */
import { Buffer } from "node:buffer";
import type { OutgoingHttpHeaders } from "node:http2";
import { setImmediate } from "node:timers";
import type { Boundary } from "../../common/boundary.ts";
import { errorCode } from "../../http2/frame.ts";
import type { Taken } from "../../http2/frame-writer.ts";
import type { PeerStream, StreamState } from "../../http2/peer-stream.ts";
import type { EmittingStream, OwnStream, RespondOptions, StreamReader } from "../calls/http2-stream.ts";
import { HeldBytes } from "./held-bytes.ts";
import type { ManyStreamsSession } from "./many-streams-session.ts";
import { StreamListeners } from "./stream-listeners.ts";

export class ManyStreamsStream implements OwnStream, EmittingStream, PeerStream {
  readonly state: StreamState;
  readonly session: ManyStreamsSession;
  headersSent = false;
  /** With which it was closed. */
  rstCode: number = errorCode.noError;
  readonly #boundary: Boundary;
  #reader: StreamReader | undefined;
  #paused = false;
  #held: HeldBytes | undefined;
  #isEndTold = false;
  /** No more bytes of the answer will be written. */
  #ending = false;
  #trailersWanted = false;

  constructor(state: StreamState, session: ManyStreamsSession, boundary: Boundary) {
    this.state = state;
    this.session = session;
    this.#boundary = boundary;
  }

  // ---- As calls use it ------------------------------------------------------------------------------------

  get destroyed(): boolean {
    return this.state.isOver;
  }

  get closed(): boolean {
    return this.state.isOver || this.session.closed;
  }

  get readableLength(): number {
    return this.#held?.memoryBytes ?? 0;
  }

  readBy(reader: StreamReader): void {
    this.#reader = reader;
  }

  on(event: string, listener: (chunk: Buffer) => void): this {
    this.#listeners().on(event, listener);
    return this;
  }

  once(event: string, listener: (chunk: Buffer) => void): this {
    this.#listeners().once(event, listener);
    return this;
  }

  #listeners(): StreamListeners {
    if (this.#reader instanceof StreamListeners) return this.#reader;
    if (this.#reader !== undefined) throw new Error("a reader has the stream");
    const listeners = new StreamListeners();
    this.#reader = listeners;
    return listeners;
  }

  /** What the reader throws ends the stream. */
  #tell(what: (reader: StreamReader) => void): void {
    try {
      if (this.#reader !== undefined) what(this.#reader);
    } catch (error) {
      this.#boundary.caught(this, error);
    }
  }

  respond(headers: OutgoingHttpHeaders, { endStream = false }: RespondOptions): void {
    if (this.closed) return;
    this.headersSent = true;
    this.session.sendHeaders(this, headers, endStream);
    if (endStream) this.#leave();
  }

  write(bytes: Buffer, taken: Taken): void {
    if (this.closed) taken(new Error("the stream is over"));
    else this.session.sendData(this, bytes, this.#boundary.guard(this, taken));
  }

  end(bytes?: Buffer, taken?: Taken): void {
    if (bytes !== undefined && taken !== undefined) this.write(bytes, taken);
    this.#ending = true;
    if (this.session.isFlushed(this)) this.flushed();
  }

  sendTrailers(trailers: OutgoingHttpHeaders): void {
    if (this.closed) return;
    this.session.sendHeaders(this, trailers, true);
    this.#leave();
  }

  /**
   * Otherwise a request that has not ended would keep its stream open (RFC 9113, section 8.1). What has come with its beginning is
   * still read, and judged.
   */
  #leave(): void {
    if (!this.closed) setImmediate(this.#boundary.guard(this, () => this.close(errorCode.noError)));
  }

  close(code: number): void {
    this.session.reset(this, code);
  }

  destroy(): void {
    this.session.reset(this, errorCode.cancel);
  }

  pause(): void {
    this.#paused = true;
    this.session.hold(this, true);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    process.nextTick(this.#boundary.guard(this, () => this.#deliver()));
  }

  // ---- As its connection uses it --------------------------------------------------------------------------

  /** Copies them: a call that waits must not keep all that came with them. */
  receive(bytes: Buffer, from: number, to: number): void {
    if (!this.#paused && this.readableLength === 0) {
      const copy = Buffer.allocUnsafe(to - from);
      bytes.copy(copy, 0, from, to);
      this.#tell((reader) => reader.dataCame(copy));
      return;
    }
    this.#held ??= new HeldBytes(this.session.windowBytes);
    this.#held.add(bytes.subarray(from, to));
  }

  requestEnded(): void {
    if (!this.#paused && this.readableLength === 0) this.#endRequest();
  }

  flushed(): void {
    if (!this.#ending || this.#trailersWanted || this.closed) return;
    this.#trailersWanted = true;
    this.#tell(wantTrailers);
  }

  over(code: number): void {
    this.rstCode = code;
    this.#held = undefined;
    // On the next tick, as node:http2 does.
    process.nextTick(() => this.#tell(closed));
  }

  /** Gives what was held to a reader that goes on. The reader may pause again. */
  #deliver(): void {
    if (this.#paused || this.closed) return;
    const held = this.#held?.takeAll();
    this.#held = undefined;
    if (held !== undefined && held.length > 0) this.#tell((reader) => reader.dataCame(held));
    // The reader may have paused again, or ended the call.
    if (this.#paused || this.closed) return;
    this.session.hold(this, false);
    if (this.state.hasEnded) this.#endRequest();
  }

  #endRequest(): void {
    if (this.#isEndTold) return;
    this.#isEndTold = true;
    this.#tell(requestEnded);
  }
}

const requestEnded = (reader: StreamReader): void => reader.requestEnded();
const wantTrailers = (reader: StreamReader): void => reader.trailersWanted();
const closed = (reader: StreamReader): void => reader.streamClosed();

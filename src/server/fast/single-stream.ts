/** The stream of a single-stream connection, as calls use it: events of its request, and what is sent in answer. */
import type { Buffer } from "node:buffer";
import type { OutgoingHttpHeaders } from "node:http2";
import type { Boundary } from "../../common/boundary.ts";
import { errorCode } from "../../http2/frame.ts";
import type { Taken } from "../../http2/frame-writer.ts";
import type { CallSession, OwnStream, RespondOptions, StreamReader } from "../calls/http2-stream.ts";
import { HeldBytes } from "./held-bytes.ts";

/** The connection, as its stream uses it. */
export interface StreamConnection extends CallSession {
  /** Nothing is read or sent any more. */
  readonly closed: boolean;
  /** Whether the socket has all that was sent. */
  readonly flushed: boolean;
  sendHeaders(headers: OutgoingHttpHeaders, endStream: boolean): void;
  sendData(bytes: Buffer, taken: Taken): void;
  /** While it is held the peer gets no room for what it sends. */
  hold(held: boolean): void;
  /** Resets the stream, and ends the connection. */
  reset(code: number): void;
  /** Ends the connection when the peer has taken what was sent. */
  leave(code: number): void;
}

interface SingleStreamDeps {
  readonly boundary: Boundary;
  /** What the peer may send before it was read. */
  readonly windowBytes: number;
}

export class SingleStream implements OwnStream {
  readonly session: StreamConnection;
  headersSent = false;
  readonly #boundary: Boundary;
  /** Undefined: the call is of a kind that such a connection does not serve. */
  #reader: StreamReader | undefined;
  #paused = false;
  readonly #held: HeldBytes;
  /** The peer's side has ended. */
  #arrived = false;
  /** The reader knows of it. */
  #isEndTold = false;
  /** No more bytes of the answer will be written. */
  #ending = false;
  /** The answer is sent, its trailers included. */
  #answered = false;

  constructor(session: StreamConnection, { boundary, windowBytes }: SingleStreamDeps) {
    this.session = session;
    this.#boundary = boundary;
    this.#held = new HeldBytes(windowBytes);
  }

  // ---- As calls use it ------------------------------------------------------------------------------------

  get destroyed(): boolean {
    return this.session.destroyed;
  }

  get readableLength(): number {
    return this.#held.memoryBytes;
  }

  get closed(): boolean {
    return this.session.closed;
  }

  readBy(reader: StreamReader): void {
    this.#reader = reader;
  }

  respond(headers: OutgoingHttpHeaders, { endStream = false }: RespondOptions): void {
    if (this.closed) return;
    this.headersSent = true;
    this.#sendHeaders(headers, endStream);
  }

  write(bytes: Buffer, taken: Taken): void {
    if (this.closed) taken(new Error("the stream is over"));
    else this.session.sendData(bytes, taken);
  }

  end(bytes?: Buffer, taken?: Taken): void {
    if (bytes !== undefined && taken !== undefined) this.write(bytes, taken);
    this.#ending = true;
    this.flushed();
  }

  sendTrailers(trailers: OutgoingHttpHeaders): void {
    if (!this.closed) this.#sendHeaders(trailers, true);
  }

  close(code: number): void {
    if (!this.closed) this.session.reset(code);
  }

  destroy(): void {
    this.session.destroy();
  }

  pause(): void {
    this.#paused = true;
    this.session.hold(true);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    process.nextTick(this.#boundary.guard(this, () => this.#deliver()));
  }

  // ---- As its connection uses it --------------------------------------------------------------------------

  /** Bytes of the request, which the call may keep. */
  receive(bytes: Buffer): void {
    if (!this.#paused && this.#held.length === 0) this.#reader?.dataCame(bytes);
    else this.#held.add(bytes);
  }

  /** The peer has ended its side. */
  requestEnded(): void {
    this.#arrived = true;
    if (this.#answered) this.session.leave(errorCode.noError);
    else if (!this.#paused && this.#held.length === 0) this.#endRequest();
  }

  /** The socket has taken something. */
  flushed(): void {
    if (this.#ending && this.session.flushed && !this.#answered && !this.closed) {
      this.#reader?.trailersWanted();
    }
  }

  /** The connection is closed. Once. */
  over(): void {
    this.#held.takeAll();
    // On the next tick, as node:http2 does.
    process.nextTick(this.#boundary.guard(this, () => this.#reader?.streamClosed()));
  }

  /** Gives what was held to a reader that goes on. The reader may pause again. */
  #deliver(): void {
    if (this.#paused || this.closed) return;
    const held = this.#held.takeAll();
    if (held.length > 0) this.#reader?.dataCame(held);
    // The reader may have paused again, or ended the call.
    if (this.#paused || this.closed) return;
    this.session.hold(false);
    if (this.#arrived) this.#endRequest();
  }

  #endRequest(): void {
    if (this.#isEndTold) return;
    this.#isEndTold = true;
    this.#reader?.requestEnded();
  }

  #sendHeaders(headers: OutgoingHttpHeaders, endStream: boolean): void {
    this.session.sendHeaders(headers, endStream);
    if (!endStream) return;
    this.#answered = true;
    if (this.#arrived) this.session.leave(errorCode.noError);
  }
}

/** A stream of a connection with many, as calls use it: events of its request, and what is sent in answer. */
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import type { OutgoingHttpHeaders } from "node:http2";
import { setImmediate } from "node:timers";
import type { Boundary } from "../../common/boundary.ts";
import { errorCode } from "../../http2/frame.ts";
import type { Taken } from "../../http2/frame-writer.ts";
import type { PeerStream, StreamState } from "../../http2/peer-stream.ts";
import type { OwnStream, RespondOptions, StreamReader } from "../calls/http2-stream.ts";
import { HeldBytes } from "./held-bytes.ts";
import type { ManyStreamsSession } from "./many-streams-session.ts";

export class ManyStreamsStream extends EventEmitter implements OwnStream, PeerStream {
  readonly state: StreamState;
  readonly session: ManyStreamsSession;
  headersSent = false;
  /** With which it was closed. */
  rstCode: number = errorCode.noError;
  readonly #boundary: Boundary;
  #reader: StreamReader | undefined;
  #paused = false;
  #held: HeldBytes | undefined;
  #endEmitted = false;
  /** No more bytes of the answer will be written. */
  #ending = false;
  #trailersWanted = false;

  constructor(state: StreamState, session: ManyStreamsSession, boundary: Boundary) {
    super();
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

  /** What a listener throws ends the stream. */
  override emit(event: string, chunk?: Buffer): boolean {
    try {
      return this.#reader === undefined ? super.emit(event, chunk) : tell(this.#reader, event, chunk);
    } catch (error) {
      this.#boundary.caught(this, error);
      return true;
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
      this.emit("data", copy);
      return;
    }
    this.#held ??= new HeldBytes(this.session.windowBytes);
    this.#held.add(bytes.subarray(from, to));
  }

  requestEnded(): void {
    if (!this.#paused && this.readableLength === 0) this.#emitEnd();
  }

  flushed(): void {
    if (!this.#ending || this.#trailersWanted || this.closed) return;
    this.#trailersWanted = true;
    this.emit("wantTrailers");
  }

  over(code: number): void {
    this.rstCode = code;
    this.#held = undefined;
    // On the next tick, as node:http2 does.
    process.nextTick(emitClose, this);
  }

  /** Gives what was held to a reader that goes on. The reader may pause again. */
  #deliver(): void {
    if (this.#paused || this.closed) return;
    const held = this.#held?.takeAll();
    this.#held = undefined;
    if (held !== undefined && held.length > 0) this.emit("data", held);
    // The reader may have paused again, or ended the call.
    if (this.#paused || this.closed) return;
    this.session.hold(this, false);
    if (this.state.hasEnded) this.#emitEnd();
  }

  #emitEnd(): void {
    if (this.#endEmitted) return;
    this.#endEmitted = true;
    this.emit("end");
  }
}

function emitClose(stream: ManyStreamsStream): void {
  stream.emit("close");
}

/** What would be emitted. False: readers are not told of it. */
function tell(reader: StreamReader, event: string, chunk?: Buffer): boolean {
  switch (event) {
    case "data":
      if (chunk !== undefined) reader.dataCame(chunk);
      return true;
    case "end":
      reader.requestEnded();
      return true;
    case "wantTrailers":
      reader.trailersWanted();
      return true;
    case "close":
      reader.streamClosed();
      return true;
    default:
      return false;
  }
}

/**
 * The server's side of a connection that its client keeps for one stream, with that stream: what node:http2 does for
 * others at twice the cost of an event. The connection goes when its stream is over.
 */

import { EventEmitter } from "node:events";
import type { OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import type { Boundary } from "../../common/boundary.ts";
import { NO_BUFFER } from "../../common/bytes.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import {
  errorCode,
  flag,
  frame,
  frameType,
  goAway,
  headerFrames,
  PING_BYTES,
  PREFACE,
  resetStream,
  setting,
  settings,
  widenConnection,
} from "../../http2/frame.ts";
import { encodeHeaders, type Headers } from "../../http2/hpack.ts";
import { STREAM_ID, StreamConnection, type Taken } from "../../http2/single-stream.ts";
import type { CallSession, CallStream, RespondOptions } from "../calls/http2-stream.ts";
import { createRateGuard } from "../limits/rate-limiter.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { type Lifetime, watchLifetime } from "./keepalive.ts";

interface SoleStreamDeps {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly boundary: Boundary;
  /** Takes the call, or answers it. */
  readonly take: (stream: CallStream, headers: Headers) => void;
}

interface StreamEvents {
  data: [chunk: Buffer];
  end: [];
  close: [];
  wantTrailers: [];
}

/** That wait for their answers. */
export const PINGS_MAX = 10;
/** More does not wait for what comes behind it: the client is to be at work on it meanwhile. */
const GATHERED_MAX_BYTES = 4 * 1024;

export class SoleStream extends StreamConnection implements CallStream, CallSession {
  readonly session = this;
  headersSent = false;
  readonly #deps: SoleStreamDeps;
  readonly #events = new EventEmitter<StreamEvents>();
  readonly #pingAdmits: () => boolean;
  readonly #settingsAdmits: () => boolean;
  readonly #otherAdmits: () => boolean;
  readonly #lifetime: Lifetime;
  /** By their numbers, which count up from `#answeredPings`. */
  readonly #pings: (() => void)[] = [];
  #answeredPings = 0;
  #begun = false;
  #gathers = false;
  #paused = false;
  /** What came while it was paused, and behind it room for more. */
  #held: Buffer = NO_BUFFER;
  #heldBytes = 0;
  /** The peer's side has ended. */
  #arrived = false;
  #endTold = false;
  /** No more bytes of the answer will be written. */
  #ending = false;
  #answered = false;
  #leaving: Timer | undefined;

  constructor(socket: Socket, deps: SoleStreamDeps) {
    const { limits, clock } = deps;
    super(socket, deps.boundary, {
      windowBytes: limits.flowControlWindowBytes,
      headers: { maxBytes: limits.headersMaxBytes, maxPairs: limits.headersMaxPairs },
    });
    this.#deps = deps;
    this.#pingAdmits = createRateGuard(limits.connectionMaxPingsPerSecond, clock);
    this.#otherAdmits = createRateGuard(limits.connectionMaxPingsPerSecond, clock);
    this.#settingsAdmits = createRateGuard(limits.connectionMaxSettingsPerSecond, clock);
    this.#lifetime = watchLifetime(this, deps);
    socket.on("close", () => this.#gone());
  }

  /** Begins to serve. `greeting`: what the client has sent so far, its preface first. */
  greet(greeting: Buffer): void {
    const { socket } = this;
    const { flowControlWindowBytes, headersMaxBytes } = this.#deps.limits;
    socket.cork();
    socket.write(
      settings([
        [setting.headerTableSize, 0],
        [setting.maxConcurrentStreams, 1],
        [setting.initialWindowSize, flowControlWindowBytes],
        [setting.maxHeaderListSize, headersMaxBytes],
      ]),
    );
    socket.write(widenConnection(flowControlWindowBytes));
    this.#take(greeting.subarray(PREFACE.length));
    socket.uncork();
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  /** Tells the client to make no new call here; without one, ends the connection. */
  retire(): void {
    if (this.isStopped) return;
    if (this.#begun) this.socket.write(goAway(STREAM_ID, errorCode.noError));
    else this.#leave(errorCode.noError);
  }

  // ---- The connection as calls see it ---------------------------------------------------------------------

  get destroyed(): boolean {
    return this.socket.destroyed;
  }

  ping(answered: () => void): boolean {
    if (this.isStopped || this.#pings.length >= PINGS_MAX) return false;
    const body = Buffer.alloc(PING_BYTES);
    body.writeUInt32BE((this.#answeredPings + this.#pings.length) % 2 ** 32);
    this.#pings.push(answered);
    this.socket.write(frame(frameType.ping, 0, 0, body));
    return true;
  }

  destroy(): void {
    this.#end();
    this.socket.destroy();
  }

  // ---- The stream as calls see it -------------------------------------------------------------------------

  get closed(): boolean {
    return this.isStopped;
  }

  on(event: "data", listener: (chunk: Buffer) => void): void;
  on(event: "aborted" | "close" | "end", listener: () => void): void;
  on(event: keyof StreamEvents | "aborted", listener: (chunk: Buffer) => void): void {
    // A stream that is aborted is closed: there is nothing else to tell.
    if (event !== "aborted") this.#events.on(event, listener);
  }

  once(event: "wantTrailers", listener: () => void): void {
    this.#events.once(event, listener);
  }

  respond(headers: OutgoingHttpHeaders, { endStream = false }: RespondOptions): void {
    if (this.isStopped) return;
    this.headersSent = true;
    this.#sendHeaders(headers, endStream);
  }

  write(bytes: Buffer, taken: Taken): void {
    if (this.isStopped) {
      taken(new Error("the stream is over"));
      return;
    }
    const { socket } = this;
    this.sendData(bytes, taken);
    if (!this.#gathers || socket.writableLength < GATHERED_MAX_BYTES) return;
    socket.uncork();
    socket.cork();
  }

  end(bytes?: Buffer, taken?: Taken): void {
    if (bytes !== undefined && taken !== undefined) this.write(bytes, taken);
    this.#ending = true;
    this.flushed();
  }

  sendTrailers(trailers: OutgoingHttpHeaders): void {
    if (!this.isStopped) this.#sendHeaders(trailers, true);
  }

  close(code: number): void {
    if (this.isStopped) return;
    // Behind what a peer does not take it would hear of nothing, and what waits there would stay.
    if (code !== errorCode.noError && this.socket.writableLength > 0) {
      this.destroy();
      return;
    }
    this.socket.write(resetStream(STREAM_ID, code));
    this.#leave(errorCode.noError);
  }

  pause(): void {
    this.#paused = true;
    this.hold(true);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    process.nextTick(this.boundary.guard(this, () => this.#deliver()));
  }

  // ---- What the peer does ---------------------------------------------------------------------------------

  protected override headers(headers: Headers, isLast: boolean): void {
    if (this.#begun) {
      if (!isLast) this.fault("headers behind the headers", errorCode.protocolError);
      return;
    }
    this.#begun = true;
    this.#lifetime.begun();
    this.#deps.take(this, headers);
  }

  protected override data(bytes: Buffer, from: number, to: number): void {
    const content = bytes.subarray(from, to);
    if (!this.#paused && this.#heldBytes === 0) this.#events.emit("data", content);
    else this.#keep(content);
  }

  protected override ended(): void {
    this.#arrived = true;
    if (this.#answered) this.#leave(errorCode.noError);
    else if (!this.#paused && this.#heldBytes === 0) this.#tellEnd();
  }

  /** Whoever takes back its only call has no use for the connection, nor for what is on its way. */
  protected override reset(): void {
    this.destroy();
  }

  /** It opens no other stream, which it does not do anyway. */
  protected override goesAway(): void {}

  protected override fault(_: string, code: number): void {
    this.#leave(code);
  }

  protected override flushed(): void {
    if (this.#ending && this.isFlushed && !this.#answered && !this.isStopped)
      this.#events.emit("wantTrailers");
  }

  protected override admits(type: number): boolean {
    if (type === frameType.ping) return this.#pingAdmits();
    return type === frameType.settings ? this.#settingsAdmits() : this.#otherAdmits();
  }

  protected override pingAnswered(body: Buffer): void {
    const answered = this.#pings[0];
    if (answered === undefined || body.readUInt32BE() !== this.#answeredPings % 2 ** 32) return;
    this.#pings.shift();
    this.#answeredPings += 1;
    answered();
  }

  // ---- Behind that ----------------------------------------------------------------------------------------

  /** Small answers to the requests of one chunk go out in one write. */
  #take(chunk: Buffer): void {
    this.#gathers = true;
    this.socket.cork();
    this.read(chunk, chunk.length);
    this.socket.uncork();
    this.#gathers = false;
  }

  /** The room doubles, up to the peer's window: there is never more. */
  #keep(bytes: Buffer): void {
    const heldBytes = this.#heldBytes + bytes.length;
    if (heldBytes > this.#held.length) {
      const roomBytes = Math.min(2 * heldBytes, this.#deps.limits.flowControlWindowBytes);
      const grown = Buffer.allocUnsafe(roomBytes);
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    bytes.copy(this.#held, this.#heldBytes);
    this.#heldBytes = heldBytes;
  }

  /** What was kept, to a reader that goes on; it may stop again. */
  #deliver(): void {
    if (this.#paused || this.isStopped) return;
    const kept = this.#held.subarray(0, this.#heldBytes);
    this.#held = NO_BUFFER;
    this.#heldBytes = 0;
    if (kept.length > 0) this.#events.emit("data", kept);
    // Whoever was given it may have stopped again, or ended the call.
    if (this.#paused || this.isStopped) return;
    this.hold(false);
    if (this.#arrived) this.#tellEnd();
  }

  #tellEnd(): void {
    if (this.#endTold) return;
    this.#endTold = true;
    this.#events.emit("end");
  }

  #sendHeaders(headers: OutgoingHttpHeaders, endStream: boolean): void {
    const block = encodeHeaders(headers);
    this.socket.write(headerFrames(STREAM_ID, block, endStream ? flag.endStream : 0));
    if (!endStream) return;
    this.#answered = true;
    if (this.#arrived) this.#leave(errorCode.noError);
  }

  /** Ends the stream, and the connection when the peer has taken what was sent, or has had the time to. */
  #leave(code: number): void {
    if (this.isStopped) return;
    this.socket.end(goAway(STREAM_ID, code));
    this.#leaving = this.#deps.clock.schedule(
      this.#deps.limits.stallMaxMs,
      this.boundary.guard(this, () => this.socket.destroy()),
    );
    this.#end();
  }

  #end(): void {
    if (this.isStopped) return;
    this.stop();
    this.#lifetime.over();
    this.#held = NO_BUFFER;
    // As a stream of node:http2 closes: never inside a call of whoever closes it.
    process.nextTick(this.boundary.guard(this, () => this.#events.emit("close")));
  }

  #gone(): void {
    this.#leaving?.cancel();
    this.#end();
  }
}

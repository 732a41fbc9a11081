/**
 * The server's side of a connection that its client keeps for a single stream. node:http2 would do the same at twice the
 * cost of an event. The connection ends with its stream.
 */
import type { Buffer } from "node:buffer";
import type { OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import {
  errorCode,
  type Fault,
  flag,
  frame,
  frameType,
  goAway,
  headerFrames,
  PREFACE,
  resetStream,
  STREAM_ID,
  setting,
  settings,
  widenConnection,
} from "../../http2/frame.ts";
import type { Taken } from "../../http2/frame-writer.ts";
import { encodeHeaders, type Headers } from "../../http2/hpack.ts";
import { SingleStreamConnection } from "../../http2/single-stream.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { OwnStream } from "../calls/http2-stream.ts";
import { createFrameGuard, type FrameFloods } from "../limits/frame-guard.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { DiscardedBytes, FAULT_GRACE_MS } from "./connection-end.ts";
import { type Keepalive, startKeepalive } from "./keepalive.ts";
import { PendingPings } from "./pending-pings.ts";
import { SingleStream, type StreamConnection } from "./single-stream.ts";

interface SingleStreamSessionDeps {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly boundary: Boundary;
  readonly floods: FrameFloods;
  /** Serves the call, or answers it with a status. */
  readonly serveCall: (stream: OwnStream, headers: Headers) => void;
  /** Whose client certificate was verified. */
  readonly peer: Principal | undefined;
}

/** Small answers to the requests of one chunk go out in one write. Beyond this size they leave at once, so that the client can go on. */
const GATHERED_MAX_BYTES = 4 * 1024;

export class SingleStreamSession implements StreamConnection {
  readonly #socket: Socket;
  readonly #deps: SingleStreamSessionDeps;
  readonly #wire: SingleStreamConnection;
  readonly #stream: SingleStream;
  readonly #keepalive: Keepalive;
  readonly #pings = new PendingPings();
  /** The stream has begun. */
  #begun = false;
  /** A chunk is being read. */
  #gathers = false;
  #leaving: Timer | undefined;
  /** The peer has broken the protocol. */
  #ignoring = false;
  readonly #discarded: DiscardedBytes;

  constructor(socket: Socket, deps: SingleStreamSessionDeps) {
    const { limits, clock, boundary, floods } = deps;
    const { flowControlWindowBytes, headersMaxBytes, headersMaxPairs } = limits;
    this.#socket = socket;
    this.#deps = deps;
    this.#discarded = new DiscardedBytes(limits.flowControlWindowBytes);
    this.#stream = new SingleStream(this, { boundary, windowBytes: flowControlWindowBytes });
    this.#wire = new SingleStreamConnection(
      "server",
      socket,
      boundary,
      {
        windowBytes: flowControlWindowBytes,
        headers: { maxBytes: headersMaxBytes, maxPairs: headersMaxPairs },
      },
      {
        headers: (headers) => this.#takeHeaders(headers),
        data: (bytes, from, to) => this.#stream.receive(bytes.subarray(from, to)),
        ended: () => this.#stream.requestEnded(),
        // RST_STREAM on the only stream closes the connection.
        reset: () => this.destroy(),
        // The client opens no other stream anyway.
        goesAway: () => {},
        flushed: () => this.#stream.flushed(),
        admits: createFrameGuard(limits, clock, floods),
        pingAnswered: (body) => this.#pings.answer(body),
        fault: (fault) => this.#leaveFor(fault),
      },
    );
    this.#keepalive = startKeepalive(this, deps);
    socket.on("close", () => {
      this.#leaving?.cancel();
      this.#end();
    });
  }

  /** Begins to serve. `firstBytes`: what the client has sent so far, its preface first. */
  start(firstBytes: Buffer): void {
    const socket = this.#socket;
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
    this.#read(firstBytes.subarray(PREFACE.length));
    socket.uncork();
    if (!this.#ignoring) socket.on("data", this.#onData);
  }

  // ---- How it ends ----------------------------------------------------------------------------------------

  get peer(): Principal | undefined {
    return this.#deps.peer;
  }

  get closed(): boolean {
    return this.#wire.stopped;
  }

  get takenBytes(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  /** Tells the client to make no new call here; without a call, ends the connection. */
  retire(): void {
    if (this.closed) return;
    if (this.#begun) this.#socket.write(goAway(STREAM_ID, errorCode.noError));
    else this.leave(errorCode.noError);
  }

  /** Ends the connection when the peer has taken what was sent, or has had the time to. */
  leave(code: number): void {
    if (!this.closed) this.#leaveWithin(this.#deps.limits.stallMaxMs, code);
  }

  #leaveWithin(maxMs: number, code: number): void {
    const { clock, boundary } = this.#deps;
    this.#socket.end(goAway(STREAM_ID, code));
    this.#leaving = clock.schedule(
      maxMs,
      boundary.guard(this, () => this.#socket.destroy()),
    );
    this.#end();
  }

  reset(code: number): void {
    // A peer that takes nothing would not learn of it, and what waits for it would stay in memory.
    if (code !== errorCode.noError && this.#socket.writableLength > 0) {
      this.destroy();
      return;
    }
    this.#socket.write(resetStream(STREAM_ID, code));
    this.leave(errorCode.noError);
  }

  /** Nothing more is read of a peer that breaks the protocol, so that what it goes on to send costs nothing. */
  #leaveFor({ code, scope }: Fault): void {
    if (this.closed) return;
    this.#ignoring = true;
    // With a listener a socket may resume by itself, since its first bytes were read in another mode.
    this.#socket.off("data", this.#onData);
    this.#socket.pause();
    if (scope === "stream") this.#socket.write(resetStream(STREAM_ID, code));
    this.#leaveWithin(FAULT_GRACE_MS, scope === "connection" ? code : errorCode.noError);
  }

  once(event: "close", listener: () => void): void {
    this.#socket.once(event, this.#deps.boundary.guard(this, listener));
  }

  destroy(): void {
    this.#end();
    this.#socket.destroy();
  }

  #end(): void {
    if (this.closed) return;
    this.#wire.stop();
    this.#keepalive.stop();
    this.#stream.over();
  }

  // ---- What it sends --------------------------------------------------------------------------------------

  get flushed(): boolean {
    return this.#wire.flushed;
  }

  sendHeaders(headers: OutgoingHttpHeaders, endStream: boolean): void {
    this.#socket.write(headerFrames(STREAM_ID, encodeHeaders(headers), endStream ? flag.endStream : 0));
  }

  sendData(bytes: Buffer, taken: Taken): void {
    const socket = this.#socket;
    this.#wire.sendData(bytes, taken);
    if (!this.#gathers || socket.writableLength < GATHERED_MAX_BYTES) return;
    socket.uncork();
    socket.cork();
  }

  ping(answered: () => void): boolean {
    const body = this.closed ? undefined : this.#pings.add(answered);
    if (body === undefined) return false;
    this.#socket.write(frame(frameType.ping, 0, 0, body));
    return true;
  }

  hold(held: boolean): void {
    this.#wire.hold(held);
  }

  // ---- What it reads --------------------------------------------------------------------------------------

  readonly #onData = (chunk: Buffer): void => {
    if (!this.closed) this.#read(chunk);
    else if (!this.#discarded.add(chunk.length)) this.destroy();
  };

  #read(chunk: Buffer): void {
    this.#gathers = true;
    this.#socket.cork();
    this.#wire.read(chunk, chunk.length);
    this.#socket.uncork();
    this.#gathers = false;
  }

  #takeHeaders(headers: Headers): void {
    // No call has a use for trailers of its request.
    if (this.#begun) return;
    this.#begun = true;
    this.#keepalive.begun();
    this.#deps.serveCall(this.#stream, headers);
  }
}

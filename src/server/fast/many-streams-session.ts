/**
 * A connection with many streams, which the server reads as turns let it: the rest of what a read has brought waits when a
 * turn has brought enough.
 */
import type { Buffer } from "node:buffer";
import type { OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import {
  connectionFault,
  errorCode,
  type Fault,
  frameType,
  goAway,
  PREFACE,
  setting,
  settings,
  widenConnection,
} from "../../http2/frame.ts";
import { FrameWriter, type Taken } from "../../http2/frame-writer.ts";
import { encodeHeaders, type Headers } from "../../http2/hpack.ts";
import { ManyStreamsConnection } from "../../http2/many-streams.ts";
import type { PeerStream, StreamState } from "../../http2/peer-stream.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { CallSession } from "../calls/http2-stream.ts";
import { createFrameGuard, type FrameFloods } from "../limits/frame-guard.ts";
import { startSocket, stopSocket } from "../limits/socket-reading.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { LEFT_CALL_WORK_BYTES, STREAM_WORK_BYTES } from "../limits/work.ts";
import { DiscardedBytes, FAULT_GRACE_MS } from "./connection-end.ts";
import { type IdleWatch, startIdleWatch } from "./idle-watch.ts";
import { type Keepalive, startKeepalive } from "./keepalive.ts";
import { ManyStreamsStream } from "./many-streams-stream.ts";
import { PendingPings } from "./pending-pings.ts";
import { type BytesReader, TurnReading } from "./turn-reading.ts";

export interface ManyStreamsSessionDeps {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly boundary: Boundary;
  readonly floods: FrameFloods;
  /** Counts what it brings as work of the turn. */
  readonly arrived: (session: CallSession, bytes: number) => void;
  /** Counts what waits to be read behind answers that the peer does not take. Negative: it waits no longer. */
  readonly unread: (session: CallSession, bytes: number) => void;
  /** Its peer takes nothing: ends it. */
  readonly endStalled: (session: CallSession) => void;
  /** Runs what calls `spend`: now, if the turn has room. */
  readonly inTurn: (session: CallSession, run: () => void) => void;
  /** Adds to the work of the turn. */
  readonly spend: (workBytes: number) => void;
  /** Serves the call, or answers it with a status. */
  readonly serveCall: (stream: ManyStreamsStream, headers: Headers) => void;
  /** Whose client certificate was verified. */
  readonly peer: Principal | undefined;
}

const NO_PREFACE = connectionFault("another protocol", errorCode.protocolError);
const TOO_MANY_STREAMS = connectionFault("more streams than there may be", errorCode.protocolError);

/** Streams of a connection that has ended which are closed together. */
const CLOSED_AT_ONCE = 16;
/** Settings that the peer has not acknowledged. */
const UNACKNOWLEDGED_MAX = 10;

export class ManyStreamsSession implements CallSession, BytesReader {
  readonly countsStreams = true;
  readonly socket: Socket;
  /** How its socket is read. */
  readonly reading: TurnReading;
  readonly #deps: ManyStreamsSessionDeps;
  readonly #wire: ManyStreamsConnection;
  readonly #writer: FrameWriter;
  readonly #keepalive: Keepalive;
  readonly #idle: IdleWatch;
  readonly #pings = new PendingPings();
  /** Of the preface. */
  #prefaceBytes = 0;
  #leaving: Timer | undefined;
  /** Ends it, if the peer takes nothing until then. */
  #untaken: Timer | undefined;
  readonly #discarded: DiscardedBytes;
  /** The last stream that the peer was told of when it was told to make no new call: later ones are not served. */
  #lastServedId: number | undefined;
  /** What the peer was told of how many streams it may have, in the order of its acknowledgements; the first one holds. */
  readonly #streamsMax: number[];

  constructor(socket: Socket, deps: ManyStreamsSessionDeps) {
    const { limits, clock, boundary, floods } = deps;
    this.socket = socket;
    this.#deps = deps;
    this.#discarded = new DiscardedBytes(limits.flowControlWindowBytes);
    this.#streamsMax = [limits.connectionMaxStreams, limits.connectionMaxStreams];
    this.#writer = new FrameWriter(socket, boundary);
    this.#wire = new ManyStreamsConnection(
      socket,
      this.#writer,
      boundary,
      {
        windowBytes: limits.flowControlWindowBytes,
        headers: { maxBytes: limits.headersMaxBytes, maxPairs: limits.headersMaxPairs },
        streamsMax: limits.connectionMaxStreams,
      },
      {
        opens: (state) => this.#open(state),
        serve: (stream, headers) => this.#serve(stream as ManyStreamsStream, headers),
        closed: () => this.#closedOne(),
        greeted: () => this.#keepalive.begun(),
        settled: () => this.#settled(),
        // Its calls go on, and it makes no other.
        goesAway: () => this.retire(),
        admits: createFrameGuard(limits, clock, floods),
        pingAnswered: (body) => this.#pings.answer(body),
        fault: (fault) => this.#leaveFor(fault),
      },
    );
    this.reading = new TurnReading(socket, boundary, this, {
      arrived: (bytes) => deps.arrived(this, bytes),
      held: (bytes) => this.#countHeld(bytes),
    });
    this.#keepalive = startKeepalive(this, deps);
    this.#idle = startIdleWatch(this, deps);
    socket.on("close", () => {
      this.#leaving?.cancel();
      this.#end();
    });
  }

  /** Begins to serve. `firstBytes`: what the client has sent so far. */
  start(firstBytes: Buffer): void {
    const { flowControlWindowBytes, headersMaxBytes, connectionMaxStreams } = this.#deps.limits;
    this.#writer.frames(
      settings([
        [setting.maxConcurrentStreams, connectionMaxStreams],
        [setting.initialWindowSize, flowControlWindowBytes],
        [setting.maxHeaderListSize, headersMaxBytes],
      ]),
    );
    this.#writer.frames(widenConnection(flowControlWindowBytes));
    // They come before whatever answers the peer.
    this.#writer.flush();
    this.socket.on("data", this.#onData);
    this.#onData(firstBytes);
  }

  // ---- How it ends ----------------------------------------------------------------------------------------

  get peer(): Principal | undefined {
    return this.#deps.peer;
  }

  get closed(): boolean {
    return this.#wire.stopped;
  }

  get destroyed(): boolean {
    return this.socket.destroyed;
  }

  /** Tells the client to make no new call here; without a call, ends the connection. */
  retire(): void {
    if (this.closed || this.#retired) return;
    if (this.#wire.streams.size === 0) this.#leaveWithin(this.#deps.limits.stallMaxMs, errorCode.noError);
    else this.#goAway(errorCode.noError);
  }

  get #retired(): boolean {
    return this.#lastServedId !== undefined;
  }

  /** What it was told of its last stream may not grow: it may have made later calls elsewhere. */
  #goAway(code: number): void {
    this.#lastServedId ??= this.#wire.streams.lastId;
    this.#writer.frames(goAway(this.#lastServedId, code));
  }

  #leaveWithin(maxMs: number, code: number): void {
    const { clock, limits } = this.#deps;
    this.#goAway(code);
    this.#end();
    this.#writer.flush();
    this.socket.end();
    // A socket that is paused would not see that its peer has ended too.
    if (code === errorCode.noError) startSocket(this.socket);
    this.#destroyAfter(maxMs, code === errorCode.noError ? clock.nowMs() + limits.connectionGraceMs : 0);
  }

  /** A peer that takes what was sent to it gets the time once more, until `untilMs`. */
  #destroyAfter(maxMs: number, untilMs: number): void {
    const { clock, boundary } = this.#deps;
    const leftBytes = this.socket.writableLength;
    this.#leaving = clock.schedule(
      maxMs,
      boundary.guard(this, () => {
        const isTaking = this.socket.writableLength < leftBytes;
        if (isTaking && clock.nowMs() < untilMs) this.#destroyAfter(maxMs, untilMs);
        else this.socket.destroy();
      }),
    );
  }

  /** Nothing more is read of a peer that breaks the protocol, so that what it goes on to send costs nothing. */
  #leaveFor({ code }: Fault): void {
    if (this.closed) return;
    this.socket.off("data", this.#onData);
    this.#leaveWithin(FAULT_GRACE_MS, code);
    stopSocket(this.socket);
  }

  once(event: "close", listener: () => void): void {
    this.socket.once(event, this.#deps.boundary.guard(this, listener));
  }

  destroy(): void {
    this.#end();
    this.socket.destroy();
  }

  #end(): void {
    if (this.closed) return;
    this.reading.drop();
    this.#wire.stop();
    this.#keepalive.stop();
    this.#idle.stop();
    this.#untaken?.cancel();
    this.#closeStreams(this.#wire.streams.all());
  }

  /** Hundreds of calls may end with the connection, and hundreds of connections together: they share turns. */
  #closeStreams(streams: PeerStream[]): void {
    const first = streams.splice(0, CLOSED_AT_ONCE);
    if (first.length === 0) return;
    this.#deps.inTurn(this, () => {
      this.#deps.spend(first.length * LEFT_CALL_WORK_BYTES);
      for (const stream of first) this.#wire.streams.close(stream, errorCode.cancel);
      this.#closeStreams(streams);
    });
  }

  // ---- Its streams ----------------------------------------------------------------------------------------

  /** Streams that are refused are work of the turn too. */
  #open(state: StreamState): ManyStreamsStream | number {
    this.#deps.arrived(this, STREAM_WORK_BYTES);
    // What its answers are sent behind is not taken: what else was read waits.
    if (this.#writer.isOverfull) this.#wire.suspend();
    const streams = this.#wire.streams.size;
    if (streams >= this.#deps.limits.connectionMaxStreams && this.#streamsMax.length === 1) {
      this.#leaveFor(TOO_MANY_STREAMS);
      return errorCode.refusedStream;
    }
    if (this.#retired || streams >= (this.#streamsMax[0] ?? 0)) return errorCode.refusedStream;
    this.#idle.busy();
    return new ManyStreamsStream(state, this, this.#deps.boundary);
  }

  #serve(stream: ManyStreamsStream, headers: Headers): void {
    try {
      this.#deps.serveCall(stream, headers);
    } catch (error) {
      this.#deps.boundary.caught(stream, error);
    }
  }

  #closedOne(): void {
    if (this.closed || this.#wire.streams.size > 0) return;
    this.#idle.idle();
    if (this.#retired) this.#leaveWithin(this.#deps.limits.stallMaxMs, errorCode.noError);
  }

  /** Tells the peer how many streams it may have from now on. */
  advertise(streams: number): void {
    if (this.closed || this.#streamsMax.at(-1) === streams) return;
    // It acknowledges none: it is told of later ones when it has.
    if (this.#streamsMax.length > UNACKNOWLEDGED_MAX) return;
    this.#streamsMax.push(streams);
    this.#wire.settingsSent();
    this.#writer.frames(settings([[setting.maxConcurrentStreams, streams]]));
  }

  #settled(): void {
    this.#streamsMax.shift();
  }

  // ---- What it sends --------------------------------------------------------------------------------------

  sendHeaders(stream: ManyStreamsStream, headers: OutgoingHttpHeaders, endStream: boolean): void {
    this.#wire.streams.sendHeaders(stream, blockOf(headers), endStream);
  }

  sendData(stream: ManyStreamsStream, bytes: Buffer, taken: Taken): void {
    this.#wire.streams.sendData(stream, bytes, taken);
  }

  isFlushed(stream: ManyStreamsStream): boolean {
    return this.#wire.streams.sender.isFlushed(stream);
  }

  reset(stream: ManyStreamsStream, code: number): void {
    if (this.closed) this.#wire.streams.close(stream, code);
    else this.#wire.streams.reset(stream, code);
  }

  /** A paused stream holds no more: the peer has room for no more. */
  get windowBytes(): number {
    return this.#deps.limits.flowControlWindowBytes;
  }

  hold(stream: ManyStreamsStream, held: boolean): void {
    this.#wire.hold(stream, held);
  }

  ping(answered: () => void): boolean {
    const body = this.closed ? undefined : this.#pings.add(answered);
    if (body === undefined) return false;
    this.#writer.frame(frameType.ping, 0, 0, body);
    return true;
  }

  // ---- What it reads --------------------------------------------------------------------------------------

  #countHeld(bytes: number): void {
    this.#deps.unread(this, bytes);
    if (this.reading.heldBytes > 0 && !this.closed) this.#untaken ??= this.#endUntaken();
  }

  /** Its calls may all be answered, so that nobody else ends it. */
  #endUntaken(): Timer {
    const { clock, boundary, limits } = this.#deps;
    const takenBytes = this.takenBytes;
    const judge = (): void => {
      this.#untaken = undefined;
      if (this.reading.heldBytes === 0 || this.closed) return;
      if (this.takenBytes > takenBytes) this.#untaken = this.#endUntaken();
      else this.#deps.endStalled(this);
    };
    return clock.schedule(limits.stallMaxMs, boundary.guard(this, judge));
  }

  get takenBytes(): number {
    return this.socket.bytesWritten - this.socket.writableLength;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.closed) this.reading.take(chunk);
    else if (!this.#discarded.add(chunk.length)) this.destroy();
  };

  get isOverfull(): boolean {
    return this.#writer.isOverfull;
  }

  suspend(): void {
    this.#wire.suspend();
  }

  read(bytes: Buffer): number {
    const from = this.#prefaceBytes < PREFACE.length ? this.#readPreface(bytes) : 0;
    if (this.closed) return bytes.length;
    const read = this.#wire.read(from === 0 ? bytes : bytes.subarray(from));
    this.#writer.flush();
    return from + read;
  }

  /** Returns where the frames begin. */
  #readPreface(chunk: Buffer): number {
    const at = this.#prefaceBytes;
    const bytes = Math.min(chunk.length, PREFACE.length - at);
    if (chunk.compare(PREFACE, at, at + bytes, 0, bytes) !== 0) this.#leaveFor(NO_PREFACE);
    this.#prefaceBytes += bytes;
    return bytes;
  }
}

/** Blocks of headers that are the same objects again and again. */
const constantBlocks = new WeakMap<OutgoingHttpHeaders, Buffer>();

function blockOf(headers: OutgoingHttpHeaders): Buffer {
  if (!Object.isFrozen(headers)) return encodeHeaders(headers);
  let block = constantBlocks.get(headers);
  if (block === undefined) {
    block = encodeHeaders(headers);
    constantBlocks.set(headers, block);
  }
  return block;
}

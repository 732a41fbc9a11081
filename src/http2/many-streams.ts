/**
 * The server's side of a connection of HTTP/2 (RFC 9113) with many streams. node:http2 would do the same, but a call over
 * it costs three times as much, its streams leave objects outside of the heap that full collections free one by one, and it begins
 * all calls that a read of two megabytes brings. Here reading can be suspended behind each frame.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Boundary } from "../common/boundary.ts";
import { ControlFrames } from "./control-frames.ts";
import { ENDED, FLOOD, MALFORMED, NOT_CONTINUED, WRONG_CONTENT_LENGTH } from "./faults.ts";
import {
  connectionFault,
  errorCode,
  type Fault,
  type FrameKind,
  flag,
  frameType,
  streamFault,
} from "./frame.ts";
import { type FrameHead, FrameParser } from "./frame-parser.ts";
import { frameFault } from "./frame-rules.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { dependsOn, HeaderBlock, type HeaderBlockState } from "./header-block.ts";
import { INITIAL_TABLE_BYTES } from "./header-decoder.ts";
import { contentLengthOf, isKept, isWellFormed } from "./header-rules.ts";
import { type HeaderField, type HeaderLimits, type Headers, toHeaders } from "./hpack.ts";
import { OpenStreams } from "./open-streams.ts";
import { type PeerStream, StreamState } from "./peer-stream.ts";
import { RequestData } from "./request-data.ts";

const DEPENDS_ON_ITSELF = streamFault("a stream that depends on itself", errorCode.protocolError);
const WRONG_STREAM = connectionFault("a stream that a client may not open", errorCode.protocolError);
const REOPENED = connectionFault("headers of a stream that is closed", errorCode.streamClosed);
const NO_SETTINGS = connectionFault("a first frame that is no settings", errorCode.protocolError);

/** Blocks above the limit of headers are read up to this size, and reset their stream alone: the peer may not know the limit yet. */
const BLOCK_MAX_BYTES = 64 * 1024;

export interface ManyStreamsLimits {
  /** What the peer may send before it was read, on the connection and on each stream. 65,535 or more. */
  readonly windowBytes: number;
  readonly headers: HeaderLimits;
  /** How many streams there may be. */
  readonly streamsMax: number;
}

/** Told of what the peer does. */
export interface ManyStreamsHandlers {
  /** A request has begun. A number: it is refused with this code. */
  opens(state: StreamState): PeerStream | number;
  /** Serves it. */
  serve(stream: PeerStream, headers: Headers): void;
  /** Its first settings have come. */
  greeted(): void;
  goesAway(): void;
  /** A stream is over. */
  closed(): void;
  /** A frame of this kind has come and carries nothing of a stream. False: one too many. */
  admits(kind: FrameKind): boolean;
  /** False: no ping with this body waits for its answer. */
  pingAnswered(body: Buffer): boolean;
  /** It has acknowledged settings. */
  settled(): void;
  /** The peer breaks the protocol, and the connection has to end. */
  fault(fault: Fault): void;
}

export class ManyStreamsConnection {
  readonly #limits: ManyStreamsLimits;
  readonly #handlers: ManyStreamsHandlers;
  readonly #parser: FrameParser;
  readonly #control: ControlFrames;
  readonly #headerBlock: HeaderBlock;
  readonly #data: RequestData;
  readonly streams: OpenStreams;
  #isGreeted = false;
  /** Of the headers that are being read. */
  #headersStreamId = 0;

  /** `boundary` contains all that listens to `socket`. */
  constructor(
    socket: Socket,
    writer: FrameWriter,
    boundary: Boundary,
    limits: ManyStreamsLimits,
    handlers: ManyStreamsHandlers,
  ) {
    boundary.contain(socket);
    this.#limits = limits;
    this.#handlers = handlers;
    this.streams = new OpenStreams(writer, limits.streamsMax, () => handlers.closed());
    this.#data = new RequestData(writer, this.streams, limits.windowBytes, {
      fault: (streamId, fault) => this.#fault(streamId, fault),
      admitsEmpty: () => this.#admit("empty_data"),
    });
    this.#control = new ControlFrames(
      (bytes, taken) => writer.frames(bytes, taken),
      boundary,
      this.streams.sender,
    );
    this.#headerBlock = new HeaderBlock(
      limits.headers,
      INITIAL_TABLE_BYTES,
      Math.max(limits.headers.maxBytes, BLOCK_MAX_BYTES),
    );
    this.#parser = new FrameParser({
      dataBegins: (head) => this.#data.begins(head, this.#isGreeted ? this.#headersFault(head) : NO_SETTINGS),
      data: (bytes, from, to) => this.#data.data(bytes, from, to),
      dataEnds: (head, contentBytes) => this.#data.ends(head, contentBytes),
      frame: (head, body) => this.#frame(head, body),
      fault: (fault) => handlers.fault(fault),
    });
    socket.on("drain", () => this.streams.sender.flush());
  }

  /** Reads the bytes of `chunk`. Returns how far it came, which is less after `suspend()`. */
  read(chunk: Buffer): number {
    return this.#parser.read(chunk, chunk.length);
  }

  /** Stops behind the frame that is being read. */
  suspend(): void {
    this.#parser.suspend();
  }

  /** Reads nothing more, and ends all streams. */
  stop(): void {
    if (this.#parser.stopped) return;
    this.#parser.stop();
    this.streams.closeAll();
  }

  get stopped(): boolean {
    return this.#parser.stopped;
  }

  /** While it is held the peer gets no room on the stream, and so has to stop. */
  hold(stream: PeerStream, held: boolean): void {
    this.#data.hold(stream, held);
  }

  /** This side has sent settings once more. */
  settingsSent(): void {
    this.#control.settingsSent();
  }

  #headersFault(head: FrameHead): Fault | undefined {
    if (this.#headerBlock.continues) return NOT_CONTINUED;
    return frameFault(head, this.streams.stageOf(head.streamId));
  }

  #frame(head: FrameHead, body: Buffer): void {
    const fault = this.#frameFault(head);
    if (fault !== undefined) this.#fault(head.streamId, fault);
    else this.#takeFrame(head, body);
  }

  #frameFault(head: FrameHead): Fault | undefined {
    const isSettings = head.type === frameType.settings && (head.flags & flag.ack) === 0;
    if (!(this.#isGreeted || isSettings)) return NO_SETTINGS;
    if (head.type === frameType.continuation) {
      if (this.#headerBlock.continues && head.streamId !== this.#headersStreamId) return NOT_CONTINUED;
      return this.#headerBlock.continues ? undefined : frameFault(head, this.streams.stageOf(head.streamId));
    }
    return this.#headersFault(head);
  }

  /** Its stream and its length are right. */
  #takeFrame(head: FrameHead, body: Buffer): void {
    switch (head.type) {
      case frameType.headers:
        if (this.#opensRight(head.streamId)) this.#takeBlock(this.#headerBlock.begin(head, body));
        break;
      case frameType.continuation:
        this.#takeBlock(this.#headerBlock.continue(head, body));
        break;
      case frameType.settings:
        this.#takeSettings(head, body);
        break;
      case frameType.ping:
        this.#takePing(head, body);
        break;
      case frameType.windowUpdate:
        this.#takeWindowUpdate(head.streamId, body);
        break;
      case frameType.resetStream:
        this.#takeReset(head.streamId, body.readUInt32BE());
        break;
      case frameType.goAway:
        if (this.#admit("go_away")) this.#handlers.goesAway();
        break;
      case frameType.priority:
        // Streams take turns whatever their priorities.
        if (this.#admit("priority") && dependsOn(body, head.streamId)) {
          this.#fault(head.streamId, DEPENDS_ON_ITSELF);
        }
        break;
      default:
        // Frames that this version of the protocol does not know change nothing.
        this.#admit("unknown");
    }
  }

  /** A client opens odd streams, in their order. */
  #opensRight(streamId: number): boolean {
    this.#headersStreamId = streamId;
    if (streamId % 2 === 1) return true;
    this.#handlers.fault(WRONG_STREAM);
    return false;
  }

  #takeBlock(state: HeaderBlockState): void {
    switch (state.kind) {
      case "whole":
        this.#takeFields(this.#headersStreamId, state.fields, state.isLast);
        break;
      case "fault":
        this.streams.lastId = Math.max(this.streams.lastId, this.#headersStreamId);
        this.#fault(this.#headersStreamId, state.fault);
        break;
      case "flood":
        this.#handlers.admits("continuation");
        this.#handlers.fault(FLOOD);
        break;
      default:
      // The next frame continues it.
    }
  }

  #takeFields(id: number, fields: readonly HeaderField[], isLast: boolean): void {
    const stream = this.streams.get(id);
    if (stream !== undefined) this.#takeTrailers(stream, fields, isLast);
    else if (id > this.streams.lastId) this.#open(id, fields, isLast);
    else if (!this.streams.wasReset(id))
      this.#handlers.fault(this.streams.wasOpen(id) ? REOPENED : WRONG_STREAM);
  }

  /** No call has a use for trailers of its request. */
  #takeTrailers(stream: PeerStream, fields: readonly HeaderField[], isLast: boolean): void {
    const { id, hasEnded } = stream.state;
    if (hasEnded) this.#fault(id, ENDED);
    else if (isLast && isWellFormed("trailers", fields)) this.#data.endRequest(stream);
    else this.#fault(id, MALFORMED);
  }

  #open(id: number, fields: readonly HeaderField[], isLast: boolean): void {
    this.streams.lastId = id;
    const kept = fields.filter(isKept);
    if (!isWellFormed("request", kept)) {
      this.#fault(id, MALFORMED);
      return;
    }
    const contentBytes = contentLengthOf(kept);
    if (isLast && contentBytes > 0) {
      this.#fault(id, WRONG_CONTENT_LENGTH);
      return;
    }
    const state = new StreamState(id, this.#limits.windowBytes, contentBytes);
    const stream = this.#handlers.opens(state);
    if (typeof stream === "number") {
      if (!this.#parser.stopped && this.#admit("reset")) this.streams.sendReset(id, stream);
      return;
    }
    state.hasEnded = isLast;
    this.streams.add(stream);
    this.#handlers.serve(stream, toHeaders(kept));
    if (isLast && !state.isOver) stream.requestEnded();
  }

  #takeSettings({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) !== 0) {
      const fault = this.#control.settingsAcknowledged();
      if (fault === undefined) this.#handlers.settled();
      else this.#handlers.fault(fault);
      return;
    }
    if (!this.#admit("settings")) return;
    if (!this.#isGreeted) {
      this.#isGreeted = true;
      this.#handlers.greeted();
    }
    this.#takeMore(0, this.#control.settings(body));
  }

  /** RFC 9113 does not forbid answers to no ping: they are counted, and change nothing. */
  #takePing({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) !== 0) {
      if (!this.#handlers.pingAnswered(body)) this.#admit("ping_answer");
      return;
    }
    if (!this.#admit("ping")) return;
    const fault = this.#control.ping(body);
    if (fault !== undefined) this.#handlers.fault(fault);
  }

  #takeWindowUpdate(streamId: number, body: Buffer): void {
    if (!(this.streams.sender.budget.take() || this.#admit("window_update"))) return;
    this.#takeMore(streamId, this.#control.windowUpdate(streamId, body));
  }

  #takeReset(streamId: number, code: number): void {
    if (!this.#admit("reset")) return;
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.streams.close(stream, code);
  }

  /** After a frame that may have made room. */
  #takeMore(streamId: number, fault: Fault | undefined): void {
    if (fault === undefined) this.streams.sender.flush();
    else this.#fault(streamId, fault);
  }

  #admit(kind: FrameKind): boolean {
    if (this.#handlers.admits(kind)) return true;
    this.#handlers.fault(FLOOD);
    return false;
  }

  /** A peer may make this side reset streams as often as it may reset them itself. */
  #fault(streamId: number, fault: Fault): void {
    if (fault.scope === "connection") {
      this.#handlers.fault(fault);
      return;
    }
    if (streamId > this.streams.lastId) {
      this.#handlers.fault(connectionFault(fault.what, fault.code));
      return;
    }
    if (!this.#admit("reset")) return;
    const stream = this.streams.get(streamId);
    if (stream === undefined) this.streams.sendReset(streamId, fault.code);
    else this.streams.reset(stream, fault.code);
  }
}

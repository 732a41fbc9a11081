/**
 * A connection of HTTP/2 (RFC 9113) with a single stream, for either side: the one that an Exchange has to itself.
 *
 * It has no second stream, no pushes, no table of headers and no priorities. A peer may send settings, window updates,
 * pings, padding, continued headers, resets and GOAWAY.
 */
import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Boundary } from "../common/boundary.ts";
import { ControlFrames } from "./control-frames.ts";
import { DataSender } from "./data-sender.ts";
import { ENDED, FLOOD, MALFORMED, NO_ROOM, NOT_CONTINUED, WRONG_CONTENT_LENGTH } from "./faults.ts";
import {
  connectionFault,
  errorCode,
  type Fault,
  type FrameKind,
  flag,
  frameType,
  STREAM_ID,
  streamFault,
} from "./frame.ts";
import { type FrameHead, FrameParser } from "./frame-parser.ts";
import { frameFault, type StreamStage } from "./frame-rules.ts";
import type { Taken } from "./frame-writer.ts";
import { dependsOn, HeaderBlock, type HeaderBlockState } from "./header-block.ts";
import { contentLengthOf, isInterim, isWellFormed } from "./header-rules.ts";
import { type HeaderField, type HeaderLimits, type Headers, toHeaders } from "./hpack.ts";
import { ReceiveWindow } from "./receive-window.ts";

const NO_HEADERS = streamFault("data before its headers", errorCode.protocolError);
/** Each side announces a table of headers without room. */
const NO_TABLE_BYTES = 0;
const DEPENDS_ON_ITSELF = "a stream that depends on itself";

export interface SingleStreamLimits {
  /** What the peer may send before it was read. 65,535 or more. */
  readonly windowBytes: number;
  readonly headers: HeaderLimits;
}

/** "server": its peer opens the stream, with a request. */
export type Side = "client" | "server";

/** Told of what the peer does. */
export interface SingleStreamHandlers {
  /** The headers, and perhaps later the trailers. */
  headers(headers: Headers): void;
  /** Bytes of the stream, as a range of what was read: the connection's again when the call returns. */
  data(bytes: Buffer, from: number, to: number): void;
  /** The peer has ended its side of the stream. */
  ended(): void;
  reset(code: number): void;
  /** The peer ends the connection, and takes no stream above `lastStreamId`. */
  goesAway(lastStreamId: number): void;
  /** The socket has all that was sent. */
  flushed(): void;
  /** A frame of this kind has come and carries nothing of the stream. False: one too many. */
  admits(kind: FrameKind): boolean;
  /** False: no ping with this body waits for its answer. */
  pingAnswered(body: Buffer): boolean;
  /** The peer breaks the protocol. */
  fault(fault: Fault): void;
}

export class SingleStreamConnection {
  readonly #side: Side;
  readonly #handlers: SingleStreamHandlers;
  readonly #parser: FrameParser;
  readonly #sender: DataSender;
  readonly #control: ControlFrames;
  readonly #window: ReceiveWindow;
  readonly #headerBlock: HeaderBlock;
  /** Headers of the peer have begun. */
  #begun = false;
  /** They have come as a whole. */
  #hasHeaders = false;
  /** The peer sends no more on the stream. */
  #ended = false;
  /** Bytes of the content that are still to come. NaN: the peer has not said how many. */
  #contentLeft = Number.NaN;

  /** `boundary` contains all that listens to `socket`. */
  constructor(
    side: Side,
    socket: Socket,
    boundary: Boundary,
    limits: SingleStreamLimits,
    handlers: SingleStreamHandlers,
  ) {
    boundary.contain(socket);
    this.#side = side;
    this.#handlers = handlers;
    this.#sender = new DataSender(socket);
    this.#control = new ControlFrames((bytes, taken) => socket.write(bytes, taken), boundary, this.#sender);
    this.#window = new ReceiveWindow(socket, limits.windowBytes);
    this.#headerBlock = new HeaderBlock(limits.headers, NO_TABLE_BYTES);
    this.#parser = new FrameParser({
      dataBegins: (head) => this.#dataBegins(head),
      data: (bytes, from, to) => this.#data(bytes, from, to),
      dataEnds: (head, contentBytes) => this.#dataEnds(head, contentBytes),
      frame: (head, body) => this.#frame(head, body),
      fault: (fault) => handlers.fault(fault),
    });
    socket.on("drain", () => this.#roomGrew());
  }

  /** Reads the bytes of `chunk` before `to`. */
  read(chunk: Buffer, to: number): void {
    this.#parser.read(chunk, to);
  }

  /** Reads nothing more, and sends nothing of what waits for a window. */
  stop(): void {
    this.#parser.stop();
    this.#sender.stop();
  }

  get stopped(): boolean {
    return this.#parser.stopped;
  }

  /** Whether the socket has all that was sent. */
  get flushed(): boolean {
    return this.#sender.flushed;
  }

  /** Sends bytes of the stream. Nobody may write to them until they are taken by the socket. */
  sendData(bytes: Buffer, taken: Taken): void {
    this.#sender.send(bytes, taken);
  }

  /** While it is held the peer gets no room for what it sends, and so has to stop. */
  hold(held: boolean): void {
    this.#window.hold(held);
  }

  /** The peer's windows, or the socket, have room. */
  #roomGrew(): void {
    this.#sender.flush();
    if (this.flushed) this.#handlers.flushed();
  }

  #dataBegins(head: FrameHead): void {
    const fault = this.#dataFault(head);
    if (fault !== undefined) this.#fault(fault);
    else this.#window.giveBack();
  }

  #dataFault(head: FrameHead): Fault | undefined {
    if (this.#headerBlock.continues) return NOT_CONTINUED;
    const fault = frameFault(head, this.#stageOf(head.streamId));
    if (fault !== undefined) return fault;
    if (this.#ended) return ENDED;
    if (!this.#begun) return NO_HEADERS;
    return this.#window.take(head.bodyBytes) ? undefined : NO_ROOM;
  }

  #data(bytes: Buffer, from: number, to: number): void {
    this.#contentLeft -= to - from;
    if (this.#contentLeft < 0) this.#fault(WRONG_CONTENT_LENGTH);
    else this.#handlers.data(bytes, from, to);
  }

  #dataEnds({ flags }: FrameHead, contentBytes: number): void {
    if ((flags & flag.endStream) !== 0) this.#end();
    else if (contentBytes === 0) this.#admit("empty_data");
  }

  /** A server's peer may send nothing of the stream before its headers. */
  get #isOpen(): boolean {
    return this.#begun || this.#side === "client";
  }

  #stageOf(streamId: number): StreamStage {
    if (streamId !== STREAM_ID) return "idle";
    return this.#isOpen ? "begun" : "new";
  }

  #admit(kind: FrameKind): boolean {
    if (this.#handlers.admits(kind)) return true;
    this.#fault(FLOOD);
    return false;
  }

  #frame(head: FrameHead, body: Buffer): void {
    const fault =
      this.#headerBlock.continues && head.type !== frameType.continuation
        ? NOT_CONTINUED
        : frameFault(head, this.#stageOf(head.streamId));
    if (fault === undefined) this.#takeFrame(head, body);
    else this.#fault(fault);
  }

  /** Its stream and its length are right. */
  #takeFrame(head: FrameHead, body: Buffer): void {
    switch (head.type) {
      case frameType.headers:
        if (this.#ended) this.#fault(ENDED);
        else this.#takeBlock(this.#headerBlock.begin(head, body));
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
        if (this.#sender.budget.take() || this.#admit("window_update")) {
          this.#takeRoom(this.#control.windowUpdate(head.streamId, body));
        }
        break;
      case frameType.resetStream:
        this.#handlers.reset(body.readUInt32BE());
        break;
      case frameType.goAway:
        if (this.#admit("go_away")) this.#handlers.goesAway(body.readUInt32BE() & 0x7fff_ffff);
        break;
      case frameType.priority:
        this.#takePriority(head, body);
        break;
      default:
        // Frames that this version of the protocol does not know change nothing.
        this.#admit("unknown");
    }
  }

  #takeBlock(state: HeaderBlockState): void {
    switch (state.kind) {
      case "whole":
        this.#takeFields(state.fields, state.isLast);
        break;
      case "fault":
        this.#begun = true;
        this.#fault(state.fault);
        break;
      case "flood":
        this.#handlers.admits("continuation");
        this.#fault(FLOOD);
        break;
      default:
        // The next frame continues it.
        this.#begun = true;
    }
  }

  #takeFields(fields: readonly HeaderField[], isLast: boolean): void {
    const isTrailers = this.#hasHeaders;
    const part = this.#side === "server" ? "request" : "response";
    this.#begun = true;
    if (!isWellFormed(isTrailers ? "trailers" : part, fields) || (isTrailers && !isLast)) {
      this.#fault(MALFORMED);
      return;
    }
    // Nothing here waits for an interim response: the final one follows.
    if (part === "response" && !isTrailers && !isLast && isInterim(fields)) return;
    this.#hasHeaders = true;
    if (!isTrailers) this.#contentLeft = contentLengthOf(fields);
    if (isLast && this.#contentLeft > 0) {
      this.#fault(WRONG_CONTENT_LENGTH);
      return;
    }
    this.#handlers.headers(toHeaders(fields));
    if (isLast) this.#end();
  }

  #takeSettings({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) !== 0) this.#takeFault(this.#control.settingsAcknowledged());
    else if (this.#admit("settings")) this.#takeRoom(this.#control.settings(body));
  }

  /** RFC 9113 does not forbid answers to no ping: they are counted, and change nothing. */
  #takePing({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) !== 0) {
      if (!this.#handlers.pingAnswered(body)) this.#admit("ping_answer");
    } else if (this.#admit("ping")) this.#takeFault(this.#control.ping(body));
  }

  /** With a single stream there is nothing to put in order. */
  #takePriority({ streamId }: FrameHead, body: Buffer): void {
    if (!this.#admit("priority") || !dependsOn(body, streamId)) return;
    const faultOf = streamId === STREAM_ID ? streamFault : connectionFault;
    this.#fault(faultOf(DEPENDS_ON_ITSELF, errorCode.protocolError));
  }

  /** After a frame that may have made room. */
  #takeRoom(fault: Fault | undefined): void {
    if (fault === undefined) this.#roomGrew();
    else this.#fault(fault);
  }

  #takeFault(fault: Fault | undefined): void {
    if (fault !== undefined) this.#fault(fault);
  }

  #end(): void {
    if (this.#contentLeft > 0) {
      this.#fault(WRONG_CONTENT_LENGTH);
      return;
    }
    this.#ended = true;
    this.#handlers.ended();
  }

  /** A stream that is idle cannot be reset. */
  #fault(fault: Fault): void {
    const { what, code, scope } = fault;
    this.#handlers.fault(scope === "stream" && !this.#isOpen ? connectionFault(what, code) : fault);
  }
}

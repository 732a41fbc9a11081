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
import { NO_ROOM } from "./faults.ts";
import { connectionFault, type Fault, flag, STREAM_ID } from "./frame.ts";
import { FrameDispatch, type PeerHandlers } from "./frame-dispatch.ts";
import { type FrameHead, FrameParser } from "./frame-parser.ts";
import type { StreamStage } from "./frame-rules.ts";
import type { Taken } from "./frame-writer.ts";
import { HeaderBlock } from "./header-block.ts";
import { type HeaderField, type HeaderLimits, type Headers, toHeaders } from "./hpack.ts";
import { PeerMessage } from "./peer-message.ts";
import { ReceiveWindow } from "./receive-window.ts";

/** Each side announces a table of headers without room. */
const NO_TABLE_BYTES = 0;

export interface SingleStreamLimits {
  /** What the peer may send before it was read. 65,535 or more. */
  readonly windowBytes: number;
  readonly headers: HeaderLimits;
}

/** "server": its peer opens the stream, with a request. */
export type Side = "client" | "server";

/** Told of what the peer does. */
export interface SingleStreamHandlers extends PeerHandlers {
  /** The headers, and perhaps later the trailers. */
  headers(headers: Headers): void;
  /** Bytes of the stream, as a range of what was read: the connection's again when the call returns. */
  data(bytes: Buffer, from: number, to: number): void;
  /** The peer has ended its side of the stream. */
  ended(): void;
  reset(code: number): void;
  /** The socket has all that was sent. */
  flushed(): void;
  /** The peer breaks the protocol. */
  fault(fault: Fault): void;
}

export class SingleStreamConnection {
  readonly #handlers: SingleStreamHandlers;
  readonly #parser: FrameParser;
  readonly #sender: DataSender;
  readonly #frames: FrameDispatch;
  readonly #window: ReceiveWindow;
  readonly #message: PeerMessage;

  /** `boundary` contains all that listens to `socket`. */
  constructor(
    side: Side,
    socket: Socket,
    boundary: Boundary,
    limits: SingleStreamLimits,
    handlers: SingleStreamHandlers,
  ) {
    boundary.contain(socket);
    this.#handlers = handlers;
    this.#message = new PeerMessage(side === "server" ? "request" : "response");
    this.#sender = new DataSender(socket);
    this.#window = new ReceiveWindow(socket, limits.windowBytes);
    const control = new ControlFrames((bytes, taken) => socket.write(bytes, taken), boundary, this.#sender);
    this.#frames = this.#createDispatch(limits.headers, control);
    this.#parser = new FrameParser({
      dataBegins: (head) => this.#dataBegins(head),
      data: (bytes, from, to) => this.#data(bytes, from, to),
      dataEnds: (head, contentBytes) => this.#dataEnds(head, contentBytes),
      frame: (head, body) => this.#frames.take(head, this.#stageOf(head.streamId), body),
      fault: (fault) => handlers.fault(fault),
    });
    socket.on("drain", () => this.#roomGrew());
  }

  #createDispatch(limits: HeaderLimits, control: ControlFrames): FrameDispatch {
    const headerBlock = new HeaderBlock(limits, NO_TABLE_BYTES);
    return new FrameDispatch(headerBlock, control, this.#sender.budget, this.#handlers, {
      headersFault: () => this.#message.headersFault,
      headers: (streamId, fields, isLast) => this.#takeFields(streamId, fields, isLast),
      headersFailed: (streamId, fault) => this.#headersFailed(streamId, fault),
      reset: (_, code) => this.#handlers.reset(code),
      settings: () => {},
      settled: () => {},
      roomGrew: () => this.#roomGrew(),
      fault: (streamId, fault) => this.#fault(streamId, fault),
    });
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
    const fault =
      this.#frames.faultOf(head, this.#stageOf(head.streamId)) ??
      this.#message.dataFault ??
      this.#takeRoom(head.bodyBytes);
    if (fault === undefined) this.#window.giveBack();
    else this.#fault(head.streamId, fault);
  }

  #takeRoom(bytes: number): Fault | undefined {
    return this.#window.take(bytes) ? undefined : NO_ROOM;
  }

  #data(bytes: Buffer, from: number, to: number): void {
    const fault = this.#message.takeContent(to - from);
    if (fault === undefined) this.#handlers.data(bytes, from, to);
    else this.#fault(STREAM_ID, fault);
  }

  #dataEnds({ flags }: FrameHead, contentBytes: number): void {
    if ((flags & flag.endStream) !== 0) this.#end();
    else if (contentBytes === 0) this.#frames.admit("empty_data");
  }

  #stageOf(streamId: number): StreamStage {
    if (streamId !== STREAM_ID) return "idle";
    return this.#message.isOpen ? "begun" : "new";
  }

  #takeFields(streamId: number, fields: readonly HeaderField[], isLast: boolean): void {
    const taken = this.#message.takeFields(fields, isLast);
    // Nothing here waits for an interim response.
    if (taken === "interim") return;
    if (taken !== "taken") {
      this.#fault(streamId, taken);
      return;
    }
    this.#handlers.headers(toHeaders(fields));
    if (isLast) this.#end();
  }

  #headersFailed(streamId: number, fault: Fault): void {
    this.#message.begin();
    this.#fault(streamId, fault);
  }

  #end(): void {
    const fault = this.#message.end();
    if (fault === undefined) this.#handlers.ended();
    else this.#fault(STREAM_ID, fault);
  }

  /** A stream that is idle cannot be reset. */
  #fault(streamId: number, fault: Fault): void {
    const { what, code, scope } = fault;
    const isIdle = this.#stageOf(streamId) !== "begun";
    this.#handlers.fault(scope === "stream" && isIdle ? connectionFault(what, code) : fault);
  }
}

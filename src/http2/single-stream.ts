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
import { DataSender, type Taken } from "./data-sender.ts";
import { errorCode, type Fault, flag, frameType, PING_BYTES, STREAM_ID } from "./frame.ts";
import { type FrameHead, FrameParser } from "./frame-parser.ts";
import { HeaderBlock, type HeaderBlockState } from "./header-block.ts";
import type { HeaderLimits, Headers } from "./hpack.ts";
import { ReceiveWindow } from "./receive-window.ts";

export interface SingleStreamLimits {
  /** What the peer may send before it was read. 65,535 or more. */
  readonly windowBytes: number;
  readonly headers: HeaderLimits;
}

/** Told of what the peer does. */
export interface SingleStreamHandlers {
  /** The headers, and perhaps later the trailers. */
  headers(headers: Headers, isLast: boolean): void;
  /** Bytes of the stream, as a range of what was read: the connection's again when the call returns. */
  data(bytes: Buffer, from: number, to: number): void;
  /** The peer has ended its side of the stream. */
  ended(): void;
  reset(code: number): void;
  /** The peer ends the connection, and takes no stream above `lastStreamId`. */
  goesAway(lastStreamId: number): void;
  /** The socket has all that was sent. */
  flushed(): void;
  /** A frame that carries nothing of the stream has come. False: one too many. */
  admits(type: number): boolean;
  pingAnswered(body: Buffer): void;
  /** The peer breaks the protocol. */
  fault(what: string, code: number): void;
}

export class SingleStreamConnection {
  readonly #handlers: SingleStreamHandlers;
  readonly #parser: FrameParser;
  readonly #sender: DataSender;
  readonly #control: ControlFrames;
  readonly #window: ReceiveWindow;
  readonly #headerBlock: HeaderBlock;
  /** The peer's headers have come. */
  #begun = false;
  /** The peer sends no more on the stream. */
  #ended = false;

  /** `boundary` contains all that listens to `socket`. */
  constructor(
    socket: Socket,
    boundary: Boundary,
    limits: SingleStreamLimits,
    handlers: SingleStreamHandlers,
  ) {
    boundary.contain(socket);
    this.#handlers = handlers;
    this.#sender = new DataSender(socket);
    this.#control = new ControlFrames(socket, boundary, this.#sender);
    this.#window = new ReceiveWindow(socket, limits.windowBytes);
    this.#headerBlock = new HeaderBlock(limits.headers);
    this.#parser = new FrameParser({
      dataBegins: (head) => this.#dataBegins(head),
      data: (bytes, from, to) => handlers.data(bytes, from, to),
      dataEnds: ({ flags }) => {
        if ((flags & flag.endStream) !== 0) this.#end();
      },
      frame: (head, body) => this.#frame(head, body),
      fault: (what, code) => handlers.fault(what, code),
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

  #dataBegins({ streamId, flags, bodyBytes }: FrameHead): void {
    if (streamId !== STREAM_ID || !this.#begun || this.#headerBlock.continues) {
      this.#fault("data where none may be", errorCode.protocolError);
    } else if (this.#ended) this.#fault("data behind the end of its stream", errorCode.streamClosed);
    else if (!this.#window.take(bodyBytes)) {
      this.#fault("more data than there is room for", errorCode.flowControlError);
    } else if (bodyBytes === 0 && (flags & flag.endStream) === 0) this.#admit(frameType.data);
    else this.#window.giveBack();
  }

  #admit(type: number): boolean {
    if (this.#handlers.admits(type)) return true;
    this.#fault("too many frames that carry nothing", errorCode.enhanceYourCalm);
    return false;
  }

  #frame(head: FrameHead, body: Buffer): void {
    if (this.#headerBlock.continues && head.type !== frameType.continuation) {
      this.#fault("headers that are not continued", errorCode.protocolError);
      return;
    }
    switch (head.type) {
      case frameType.headers:
        this.#takeHeaders(head, body);
        break;
      case frameType.continuation:
        if (head.streamId !== STREAM_ID) this.#fault("headers of no stream", errorCode.protocolError);
        else this.#takeBlock(this.#headerBlock.continue(head, body));
        break;
      case frameType.settings:
        this.#takeSettings(head, body);
        break;
      case frameType.ping:
        this.#takePing(head, body);
        break;
      case frameType.windowUpdate:
        this.#takeRoom(this.#control.windowUpdate(head.streamId, body));
        break;
      case frameType.resetStream:
        if (head.streamId === STREAM_ID && body.length === 4 && this.#begun) {
          this.#handlers.reset(body.readUInt32BE());
        } else this.#fault("a reset of no stream", errorCode.protocolError);
        break;
      case frameType.goAway:
        this.#handlers.goesAway(body.length < 8 ? 0 : body.readUInt32BE() & 0x7fff_ffff);
        break;
      case frameType.pushPromise:
        this.#fault("a push, which was forbidden", errorCode.protocolError);
        break;
      default:
        // Priorities, and frames that this version of the protocol does not know, change nothing.
        this.#admit(head.type);
    }
  }

  #takeHeaders(head: FrameHead, body: Buffer): void {
    if (head.streamId !== STREAM_ID || this.#ended) {
      this.#fault("headers where none may be", errorCode.protocolError);
      return;
    }
    this.#begun = true;
    this.#takeBlock(this.#headerBlock.begin(head, body));
  }

  #takeBlock(state: HeaderBlockState): void {
    if (state.kind === "fault") this.#takeFault(state);
    if (state.kind !== "whole") return;
    this.#handlers.headers(state.headers, state.isLast);
    if (state.isLast) this.#end();
  }

  #takeSettings({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) === 0 && this.#admit(frameType.settings)) {
      this.#takeRoom(this.#control.settings(body));
    }
  }

  #takePing({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) !== 0 && body.length === PING_BYTES) this.#handlers.pingAnswered(body);
    else if (this.#admit(frameType.ping)) this.#takeFault(this.#control.ping(body));
  }

  /** After a frame that may have made room. */
  #takeRoom(fault: Fault | undefined): void {
    if (fault === undefined) this.#roomGrew();
    else this.#takeFault(fault);
  }

  #takeFault(fault: Fault | undefined): void {
    if (fault !== undefined) this.#fault(fault.what, fault.code);
  }

  #end(): void {
    this.#ended = true;
    this.#handlers.ended();
  }

  #fault(what: string, code: number): void {
    this.#handlers.fault(what, code);
  }
}

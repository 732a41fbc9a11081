/**
 * A connection of HTTP/2 (RFC 9113) with one stream, whichever side it is: the one that an Exchange has to itself.
 *
 * What a connection of many streams needs is not here: no second stream, no pushes, no table of headers, no priorities.
 * What a peer may do is: settings, windows both ways, pings, padding, continued headers, resets and going away.
 */

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Boundary } from "../common/boundary.ts";
import { NO_BUFFER } from "../common/bytes.ts";
import {
  DEFAULT_WINDOW_BYTES,
  errorCode,
  FRAME_HEAD_BYTES,
  FRAME_MAX_BYTES,
  flag,
  frame as frameOf,
  frameType,
  PING_BYTES,
  readSettings,
  SETTINGS_MAX_BYTES,
  setting,
  WINDOW_MAX_BYTES,
  windowUpdate,
  writeFrameHead,
} from "./frame.ts";
import { type FrameHead, FrameReader, withoutPadding } from "./frame-parser.ts";
import { decodeHeaders, type HeaderLimits, type Headers } from "./hpack.ts";

interface StreamConnectionLimits {
  /** Of what the peer may send before it was read. 65,535 or more. */
  readonly windowBytes: number;
  readonly headers: HeaderLimits;
}

/** `error`: they were cut off, and some of them may still be on their way to the socket. */
export type Taken = (error?: Error | null) => void;

/** The first that a client may open, and here the only one. */
export const STREAM_ID = 1;
/** Smaller messages are copied behind the head of their frame: one write, and one system call. */
const COPIED_MAX_BYTES = 4 * 1024;
const CONTINUATIONS_MAX = 16;
const PRIORITY_BYTES = 5;
/** Of the length of a frame, which has three bytes. */
const FRAME_MAX_BYTES_MAX = 2 ** 24 - 1;
/** Of those that wait for the peer to take them. */
const ACKNOWLEDGEMENTS_MAX = 1_000;

interface Waiting {
  readonly bytes: Buffer;
  readonly taken: Taken;
  sentBytes: number;
}

export abstract class StreamConnection extends FrameReader {
  protected readonly socket: Socket;
  protected readonly boundary: Boundary;
  readonly #limits: StreamConnectionLimits;
  /** Messages, or the rest of one, for which the peer's windows or the socket have no room. */
  readonly #waiting: Waiting[] = [];
  /** Where in it the first is: to shift a long array is to move all of it. */
  #firstWaiting = 0;
  #connectionWindow = DEFAULT_WINDOW_BYTES;
  #streamWindow = DEFAULT_WINDOW_BYTES;
  #initialWindow = DEFAULT_WINDOW_BYTES;
  #frameMaxBytes = FRAME_MAX_BYTES;
  /** What the peer may still send. */
  #roomBytes: number;
  /** Received, and not yet given back to the peer's windows. */
  #receivedBytes = 0;
  #acknowledgements = 0;
  #holding = false;
  /** The peer's headers have come. */
  #begun = false;
  /** The peer sends no more on the stream. */
  #ended = false;
  /** A header block that goes on in the next frame. */
  #block: Buffer | undefined;
  #continuations = 0;
  #isLastFrame = false;

  /** All that listens to `socket` is contained by `boundary`. */
  constructor(socket: Socket, boundary: Boundary, limits: StreamConnectionLimits) {
    super();
    this.socket = boundary.contain(socket);
    this.boundary = boundary;
    this.#limits = limits;
    this.#roomBytes = limits.windowBytes;
    socket.on("drain", () => this.#roomGrew());
  }

  /** The headers, and perhaps later the trailers. */
  protected abstract headers(headers: Headers, isLast: boolean): void;
  /** The peer has ended its side of the stream. */
  protected abstract ended(): void;
  protected abstract reset(code: number): void;
  /** The peer ends the connection, and takes no stream above `lastStreamId`. */
  protected abstract goesAway(lastStreamId: number): void;
  /** All that was sent is with the socket. */
  protected abstract flushed(): void;
  /** A frame that carries nothing of the stream has come. False: one too many. */
  protected abstract admits(type: number): boolean;
  protected abstract pingAnswered(body: Buffer): void;

  /** Nothing is read, and nothing sent of what waits for a window. */
  protected stop(): void {
    this.stopReading();
    const waiting = this.#waiting.splice(0).slice(this.#firstWaiting);
    this.#firstWaiting = 0;
    for (const { taken } of waiting) taken(new Error("the stream is over"));
  }

  /** Whether all that was sent is with the socket. */
  protected get isFlushed(): boolean {
    return this.#firstWaiting === this.#waiting.length;
  }

  /** Sends bytes of the stream, which nobody writes to until they are taken by the socket. */
  protected sendData(bytes: Buffer, taken: Taken): void {
    const room = Math.min(this.#connectionWindow, this.#streamWindow, this.#frameMaxBytes);
    if (this.isFlushed && bytes.length <= room && !this.socket.writableNeedDrain) {
      this.#sendPart(bytes, 0, bytes.length, taken);
      return;
    }
    this.#waiting.push({ bytes, taken, sentBytes: 0 });
    this.#flush();
  }

  /** While it is held the peer gets no room for what it sends, and so stops sooner or later. */
  protected hold(held: boolean): void {
    this.#holding = held;
    if (!held) this.#giveRoom();
  }

  // ---- Sending -------------------------------------------------------------------------------------------

  /** No further than the socket takes it: of each byte that a peer makes room for, one by one, a frame would be kept. */
  #flush(): void {
    while (!this.socket.writableNeedDrain) {
      const first = this.#waiting[this.#firstWaiting];
      if (first === undefined) return;
      const { bytes, sentBytes } = first;
      const room = Math.min(this.#connectionWindow, this.#streamWindow, this.#frameMaxBytes);
      const partBytes = Math.min(bytes.length - sentBytes, room);
      if (partBytes <= 0) return;
      first.sentBytes += partBytes;
      const isWhole = first.sentBytes === bytes.length;
      if (isWhole) this.#passFirst();
      this.#sendPart(bytes, sentBytes, partBytes, isWhole ? first.taken : undefined);
    }
  }

  #sendPart(bytes: Buffer, from: number, partBytes: number, taken: Taken | undefined): void {
    const { socket } = this;
    this.#connectionWindow -= partBytes;
    this.#streamWindow -= partBytes;
    if (partBytes <= COPIED_MAX_BYTES) {
      const copy = Buffer.allocUnsafe(FRAME_HEAD_BYTES + partBytes);
      writeFrameHead(copy, 0, frameType.data, 0, STREAM_ID, partBytes);
      bytes.copy(copy, FRAME_HEAD_BYTES, from, from + partBytes);
      socket.write(copy, taken);
      return;
    }
    const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
    writeFrameHead(head, 0, frameType.data, 0, STREAM_ID, partBytes);
    socket.cork();
    socket.write(head);
    socket.write(bytes.subarray(from, from + partBytes), taken);
    socket.uncork();
  }

  #passFirst(): void {
    this.#firstWaiting += 1;
    if (this.#firstWaiting < this.#waiting.length / 2) return;
    this.#waiting.splice(0, this.#firstWaiting);
    this.#firstWaiting = 0;
  }

  /** Of the peer's windows, or of the socket. */
  #roomGrew(): void {
    this.#flush();
    if (this.isFlushed) this.flushed();
  }

  // ---- Receiving -----------------------------------------------------------------------------------------

  protected override dataBegins({ streamId, flags, bodyBytes }: FrameHead): void {
    if (streamId !== STREAM_ID || !this.#begun || this.#block !== undefined) {
      this.fault("data where there is none to be", errorCode.protocolError);
      return;
    }
    if (this.#ended) {
      this.fault("data behind the end of its stream", errorCode.streamClosed);
      return;
    }
    this.#roomBytes -= bodyBytes;
    this.#receivedBytes += bodyBytes;
    if (this.#roomBytes < 0) this.fault("more data than there is room for", errorCode.flowControlError);
    else if (bodyBytes === 0 && (flags & flag.endStream) === 0) this.#admit(frameType.data);
    else this.#giveRoom();
  }

  protected override dataEnds({ flags }: FrameHead): void {
    if ((flags & flag.endStream) !== 0) this.#end();
  }

  #giveRoom(): void {
    if (this.#holding || this.#receivedBytes < this.#limits.windowBytes / 2) return;
    this.socket.write(
      Buffer.concat([windowUpdate(0, this.#receivedBytes), windowUpdate(STREAM_ID, this.#receivedBytes)]),
    );
    this.#roomBytes += this.#receivedBytes;
    this.#receivedBytes = 0;
  }

  #admit(type: number): boolean {
    if (this.admits(type)) return true;
    this.fault("too many frames that carry nothing", errorCode.enhanceYourCalm);
    return false;
  }

  protected override frame(head: FrameHead, body: Buffer): void {
    if (this.#block !== undefined && head.type !== frameType.continuation) {
      this.fault("headers that are not continued", errorCode.protocolError);
      return;
    }
    switch (head.type) {
      case frameType.headers:
        this.#takeHeaders(head, body);
        break;
      case frameType.continuation:
        this.#continuations += 1;
        if (this.#block === undefined || head.streamId !== STREAM_ID) {
          this.fault("headers that did not begin", errorCode.protocolError);
        } else if (this.#continuations > CONTINUATIONS_MAX) {
          this.fault("headers in too many pieces", errorCode.enhanceYourCalm);
        } else this.#takeBlock(head, Buffer.concat([this.#block, body]));
        break;
      case frameType.settings:
        this.#takeSettings(head, body);
        break;
      case frameType.ping:
        this.#takePing(head, body);
        break;
      case frameType.windowUpdate:
        this.#takeWindow(head, body);
        break;
      case frameType.resetStream:
        if (head.streamId === STREAM_ID && body.length === 4 && this.#begun) this.reset(body.readUInt32BE());
        else this.fault("a reset of no stream", errorCode.protocolError);
        break;
      case frameType.goAway:
        this.goesAway(body.length < 8 ? 0 : body.readUInt32BE() & 0x7fff_ffff);
        break;
      case frameType.pushPromise:
        this.fault("a push, which was forbidden", errorCode.protocolError);
        break;
      default:
        // Priorities, and what this version of the protocol does not know, change nothing.
        this.#admit(head.type);
    }
  }

  #takeHeaders(head: FrameHead, body: Buffer): void {
    const content = (head.flags & flag.padded) === 0 ? body : withoutPadding(body);
    if (head.streamId !== STREAM_ID || content === undefined || this.#ended) {
      this.fault("headers where there are none to be", errorCode.protocolError);
      return;
    }
    this.#begun = true;
    this.#continuations = 0;
    this.#isLastFrame = (head.flags & flag.endStream) !== 0;
    const skipped = (head.flags & flag.priority) === 0 ? 0 : PRIORITY_BYTES;
    this.#takeBlock(head, Buffer.from(content.subarray(skipped)));
  }

  #takeBlock({ flags }: FrameHead, block: Buffer): void {
    if (block.length > this.#limits.headers.maxBytes) {
      this.fault("headers that are longer than they may be", errorCode.enhanceYourCalm);
      return;
    }
    if ((flags & flag.endHeaders) === 0) {
      this.#block = block;
      return;
    }
    this.#block = undefined;
    const headers = decodeHeaders(block, this.#limits.headers);
    if (headers === undefined) {
      this.fault("headers that cannot be decoded", errorCode.compressionError);
      return;
    }
    this.headers(headers, this.#isLastFrame);
    if (this.#isLastFrame) this.#end();
  }

  #takeSettings({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) !== 0 || !this.#admit(frameType.settings)) return;
    const isRead =
      body.length <= SETTINGS_MAX_BYTES &&
      readSettings(body, (name, value) => {
        if (name === setting.initialWindowSize) {
          this.#streamWindow += value - this.#initialWindow;
          this.#initialWindow = value;
        } else if (name === setting.maxFrameSize) this.#frameMaxBytes = value;
      });
    if (!isRead || this.#initialWindow > WINDOW_MAX_BYTES || !isFrameSize(this.#frameMaxBytes)) {
      this.fault("settings that are none", errorCode.protocolError);
      return;
    }
    this.#acknowledge(frameType.settings, NO_BUFFER);
    this.#roomGrew();
  }

  #takePing({ flags }: FrameHead, body: Buffer): void {
    if (body.length !== PING_BYTES) this.fault("a ping of another size", errorCode.frameSizeError);
    else if ((flags & flag.ack) !== 0) this.pingAnswered(body);
    else if (this.#admit(frameType.ping)) this.#acknowledge(frameType.ping, body);
  }

  #takeWindow({ streamId }: FrameHead, body: Buffer): void {
    const bytes = body.length === 4 ? body.readUInt32BE() & WINDOW_MAX_BYTES : 0;
    if (streamId === 0) this.#connectionWindow += bytes;
    else if (streamId === STREAM_ID) this.#streamWindow += bytes;
    if (bytes === 0 || Math.max(this.#connectionWindow, this.#streamWindow) > WINDOW_MAX_BYTES) {
      this.fault("a window that cannot be", errorCode.flowControlError);
      return;
    }
    this.#roomGrew();
  }

  #acknowledge(type: number, body: Buffer): void {
    this.#acknowledgements += 1;
    if (this.#acknowledgements > ACKNOWLEDGEMENTS_MAX) {
      this.fault("acknowledgements that nobody reads", errorCode.enhanceYourCalm);
      return;
    }
    this.socket.write(
      frameOf(type, flag.ack, 0, body),
      this.boundary.guard(this.socket, () => {
        this.#acknowledgements -= 1;
      }),
    );
  }

  #end(): void {
    this.#ended = true;
    this.ended();
  }
}

function isFrameSize(bytes: number): boolean {
  return bytes >= FRAME_MAX_BYTES && bytes <= FRAME_MAX_BYTES_MAX;
}

/**
 * A connection of HTTP/2 (RFC 9113) with one stream, from the client's side: the one that an Exchange has to itself.
 *
 * What a client of many streams needs is not here: no second stream, no pushes, no table of headers, no priorities.
 * What a peer may do is: settings, windows both ways, pings, padding, continued headers, resets and going away.
 */
import { Buffer } from "node:buffer";
import { connect, type Socket, type TcpNetConnectOpts } from "node:net";
import type { DuplexOptions } from "node:stream";
import type { GrpcFrame } from "../../wire/grpc-frame.ts";
import {
  DEFAULT_WINDOW_BYTES,
  FRAME_HEAD_BYTES,
  FRAME_MAX_BYTES,
  flag,
  frame,
  frameType,
  greeting,
  readSettings,
  setting,
  WINDOW_MAX_BYTES,
  windowUpdate,
  writeFrameHead,
} from "./frame.ts";
import { type FrameHead, FrameReader, withoutPadding } from "./frame-reader.ts";
import { decodeHeaders, encodeHeaders, type Headers } from "./hpack.ts";

export interface StreamConnectionHandlers {
  /** The bytes are the connection's again when the call returns. */
  data(bytes: Buffer): void;
  /** The headers, and perhaps later the trailers. */
  headers(headers: Headers): void;
  /** `send` had answered false, and more is taken again. */
  drained(): void;
  /** The stream is over, and the connection with it. Once; not after `destroy`. `cause`: what went wrong, if anything. */
  closed(cause: Error | undefined): void;
}

export interface StreamConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly headers: Headers;
  /** Of what the peer may send before it was read. More than 65,535. */
  readonly windowBytes: number;
  /** Of what waits for the peer to take it. */
  readonly sendQueueMaxBytes: number;
}

const STREAM_ID = 1;
const HEADERS_MAX_BYTES = 64 * 1024;
/** Smaller messages are copied behind the head of their frame: one write, and one system call. */
const COPIED_MAX_BYTES = 4 * 1024;
const CONTINUATIONS_MAX = 16;
const PRIORITY_BYTES = 5;
/** Of the length of a frame, which has three bytes. */
const FRAME_MAX_BYTES_MAX = 2 ** 24 - 1;
/** Over the mark there may be one message, and then what was acknowledged and not read. */
const ACKNOWLEDGED_MAX_BYTES = 2 ** 22;
const PING_BYTES = 8;

/** What all connections read into: each takes what it keeps before the next reads. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

interface Waiting {
  readonly message: GrpcFrame;
  sentBytes: number;
}

export class StreamConnection {
  readonly #handlers: StreamConnectionHandlers;
  readonly #windowBytes: number;
  readonly #sendQueueMaxBytes: number;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  /** Messages, or the rest of one, for which the peer's windows have no room. */
  readonly #waiting: Waiting[] = [];
  #connectionWindow = DEFAULT_WINDOW_BYTES;
  #streamWindow = DEFAULT_WINDOW_BYTES;
  #initialWindow = DEFAULT_WINDOW_BYTES;
  #frameMaxBytes = FRAME_MAX_BYTES;
  /** Received, and not yet given back to the peer's windows. */
  #receivedBytes = 0;
  /** A header block that goes on in the next frame. */
  #block: Buffer | undefined;
  #continuations = 0;
  #isLastFrame = false;
  #blocked = false;
  #cause: Error | undefined;
  #over = false;

  constructor(options: StreamConnectionOptions, handlers: StreamConnectionHandlers) {
    this.#handlers = handlers;
    this.#windowBytes = options.windowBytes;
    this.#sendQueueMaxBytes = options.sendQueueMaxBytes;
    this.#reader = new FrameReader({
      dataBegins: (head) => this.#dataBegins(head),
      data: (bytes) => handlers.data(bytes),
      dataEnds: ({ flags }) => {
        if ((flags & flag.endStream) !== 0) this.#end();
      },
      frame: (head, body) => this.#receive(head, body),
      fault: (what) => this.#fail(what),
    });
    const socketOptions: TcpNetConnectOpts & DuplexOptions = {
      host: options.host,
      port: options.port,
      noDelay: true,
      writableHighWaterMark: options.sendQueueMaxBytes,
      onread: {
        buffer: readBuffer,
        callback: (length) => {
          this.#reader.read(readBuffer.subarray(0, length));
          return true;
        },
      },
    };
    const socket = connect(socketOptions);
    socket.on("error", (error) => {
      this.#cause ??= error;
    });
    socket.on("drain", () => this.#drain());
    socket.on("end", () => socket.destroy());
    socket.on("close", () => this.#end());
    socket.write(greeting(STREAM_ID, encodeHeaders(options.headers), options.windowBytes));
    this.#socket = socket;
  }

  /** Sends a message and releases it. False: it is taken, but hold back until `drained`. */
  send(message: GrpcFrame): boolean {
    if (this.#over) return true;
    this.#waiting.push({ message, sentBytes: 0 });
    this.#flush();
    this.#blocked = this.#waiting.length > 0 || this.#socket.writableNeedDrain;
    return !this.#blocked;
  }

  /** Ends the stream and its connection. */
  destroy(): void {
    this.#over = true;
    this.#reader.stop();
    this.#waiting.length = 0;
    this.#socket.destroy();
  }

  // ---- Sending -------------------------------------------------------------------------------------------

  #flush(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const { bytes } = first.message;
      const room = Math.min(this.#connectionWindow, this.#streamWindow, this.#frameMaxBytes);
      const partBytes = Math.min(bytes.length - first.sentBytes, room);
      if (partBytes <= 0) return;
      const from = first.sentBytes;
      first.sentBytes += partBytes;
      this.#connectionWindow -= partBytes;
      this.#streamWindow -= partBytes;
      const isWhole = first.sentBytes === bytes.length;
      if (isWhole) this.#waiting.shift();
      this.#writeData(first.message, from, partBytes, isWhole);
    }
  }

  #writeData(message: GrpcFrame, from: number, partBytes: number, isLast: boolean): void {
    const socket = this.#socket;
    if (partBytes <= COPIED_MAX_BYTES) {
      const bytes = Buffer.allocUnsafe(FRAME_HEAD_BYTES + partBytes);
      writeFrameHead(bytes, 0, frameType.data, 0, STREAM_ID, partBytes);
      message.bytes.copy(bytes, FRAME_HEAD_BYTES, from, from + partBytes);
      socket.write(bytes);
      // An earlier part may be on its way from the message's own memory.
      if (isLast && from === 0) message.release();
      return;
    }
    const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
    writeFrameHead(head, 0, frameType.data, 0, STREAM_ID, partBytes);
    socket.cork();
    socket.write(head);
    socket.write(message.bytes.subarray(from, from + partBytes), (error) => {
      // What was cut off may still be on its way.
      if (isLast && !error) message.release();
    });
    socket.uncork();
  }

  #drain(): void {
    if (!this.#blocked || this.#waiting.length > 0 || this.#socket.writableNeedDrain || this.#over) return;
    this.#blocked = false;
    this.#handlers.drained();
  }

  // ---- Receiving -----------------------------------------------------------------------------------------

  #dataBegins({ streamId, bodyBytes }: FrameHead): void {
    if (streamId !== STREAM_ID || this.#block !== undefined) {
      this.#fail("data where there is none to be");
      return;
    }
    this.#receivedBytes += bodyBytes;
    if (this.#receivedBytes < this.#windowBytes / 2) return;
    this.#socket.write(
      Buffer.concat([windowUpdate(0, this.#receivedBytes), windowUpdate(STREAM_ID, this.#receivedBytes)]),
    );
    this.#receivedBytes = 0;
  }

  #receive(head: FrameHead, body: Buffer): void {
    if (this.#block !== undefined && head.type !== frameType.continuation) {
      this.#fail("headers that are not continued");
      return;
    }
    switch (head.type) {
      case frameType.headers:
        this.#takeHeaders(head, body);
        break;
      case frameType.continuation:
        this.#continuations += 1;
        if (this.#block === undefined || head.streamId !== STREAM_ID) {
          this.#fail("headers that did not begin");
        } else if (this.#continuations > CONTINUATIONS_MAX) this.#fail("headers in too many pieces");
        else this.#takeBlock(head, Buffer.concat([this.#block, body]));
        break;
      case frameType.settings:
        this.#takeSettings(head, body);
        break;
      case frameType.ping:
        if (body.length !== PING_BYTES) this.#fail("a ping of another size");
        else if ((head.flags & flag.ack) === 0) this.#acknowledge(frameType.ping, body);
        break;
      case frameType.windowUpdate:
        this.#takeWindow(head, body);
        break;
      case frameType.resetStream:
        if (head.streamId === STREAM_ID && body.length === 4) {
          this.#fail(`the server reset the stream with code ${body.readUInt32BE()}`);
        } else this.#fail("a reset of no stream");
        break;
      case frameType.goAway:
        this.#takeGoAway(body);
        break;
      case frameType.pushPromise:
        this.#fail("a push, which was forbidden");
        break;
      default:
      // Priorities, and what this version of the protocol does not know, change nothing.
    }
  }

  #takeHeaders(head: FrameHead, body: Buffer): void {
    const content = (head.flags & flag.padded) === 0 ? body : withoutPadding(body);
    if (head.streamId !== STREAM_ID || content === undefined) {
      this.#fail("headers where there are none to be");
      return;
    }
    this.#continuations = 0;
    this.#isLastFrame = (head.flags & flag.endStream) !== 0;
    const skipped = (head.flags & flag.priority) === 0 ? 0 : PRIORITY_BYTES;
    this.#takeBlock(head, Buffer.from(content.subarray(skipped)));
  }

  #takeBlock({ flags }: FrameHead, block: Buffer): void {
    if (block.length > HEADERS_MAX_BYTES) {
      this.#fail("headers that are longer than they may be");
      return;
    }
    if ((flags & flag.endHeaders) === 0) {
      this.#block = block;
      return;
    }
    this.#block = undefined;
    const headers = decodeHeaders(block);
    if (headers === undefined) {
      this.#fail("headers that cannot be decoded");
      return;
    }
    this.#handlers.headers(headers);
    if (this.#isLastFrame) this.#end();
  }

  #takeSettings({ flags }: FrameHead, body: Buffer): void {
    if ((flags & flag.ack) !== 0) return;
    const isRead = readSettings(body, (name, value) => {
      if (name === setting.initialWindowSize) {
        this.#streamWindow += value - this.#initialWindow;
        this.#initialWindow = value;
      } else if (name === setting.maxFrameSize) this.#frameMaxBytes = value;
    });
    if (!isRead || this.#initialWindow > WINDOW_MAX_BYTES || !isFrameSize(this.#frameMaxBytes)) {
      this.#fail("settings that are none");
      return;
    }
    this.#acknowledge(frameType.settings, Buffer.alloc(0));
    this.#windowsGrew();
  }

  #takeWindow({ streamId }: FrameHead, body: Buffer): void {
    const bytes = body.length === 4 ? body.readUInt32BE() & WINDOW_MAX_BYTES : 0;
    if (streamId === 0) this.#connectionWindow += bytes;
    else if (streamId === STREAM_ID) this.#streamWindow += bytes;
    if (bytes === 0 || Math.max(this.#connectionWindow, this.#streamWindow) > WINDOW_MAX_BYTES) {
      this.#fail("a window that cannot be");
      return;
    }
    this.#windowsGrew();
  }

  #acknowledge(type: number, body: Buffer): void {
    if (this.#socket.writableLength > this.#sendQueueMaxBytes + ACKNOWLEDGED_MAX_BYTES) {
      this.#fail("acknowledgements that nobody reads");
    } else this.#socket.write(frame(type, flag.ack, 0, body));
  }

  #windowsGrew(): void {
    if (this.#waiting.length === 0) return;
    this.#flush();
    this.#drain();
  }

  /** A stream that the server has begun with goes on to its end. */
  #takeGoAway(body: Buffer): void {
    const lastStreamId = body.length < 8 ? 0 : body.readUInt32BE() & 0x7fff_ffff;
    if (lastStreamId < STREAM_ID) this.#fail("the server goes away");
  }

  #fail(what: string): void {
    this.#cause ??= new Error(what);
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.destroy();
    this.#handlers.closed(this.#cause);
  }
}

function isFrameSize(bytes: number): boolean {
  return bytes >= FRAME_MAX_BYTES && bytes <= FRAME_MAX_BYTES_MAX;
}

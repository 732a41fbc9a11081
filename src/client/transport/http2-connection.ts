/** The client's side of an HTTP/2 connection with one stream: it begins the stream at once and ends with it. */
import { Buffer } from "node:buffer";
import { connect, type OnReadOpts, type Socket, type TcpNetConnectOpts } from "node:net";
import type { DuplexOptions } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import type { Boundary } from "../../common/boundary.ts";
import {
  flag,
  frame,
  frameType,
  PREFACE,
  STREAM_ID,
  setting,
  settings,
  widenConnection,
} from "../../http2/frame.ts";
import { encodeHeaders, type Headers } from "../../http2/hpack.ts";
import { SingleStreamConnection } from "../../http2/single-stream.ts";
import { FIRST_BYTES } from "../../rpc/connection-problem.ts";

export interface Http2ConnectionHandlers {
  /** These bytes of the buffer have come. They are borrowed: the connection writes over them after the call returns. */
  data(bytes: Buffer, from: number, to: number): void;
  /** The headers, and perhaps later the trailers. */
  headers(headers: Headers): void;
  /** `send` had returned false, and more is taken again. */
  drained(): void;
  /** The peer is to end the connection, and the stream goes on until then. Perhaps several times. */
  goesAway(): void;
  /**
   * The stream ended, and the connection with it. Called once, and not after `destroy`. `cause`: the failure, if any. `first`:
   * the first bytes that the peer sent, up to `FIRST_BYTES`.
   */
  closed(cause: Error | undefined, first: Uint8Array): void;
}

interface Http2ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: without TLS. */
  readonly tls: ConnectionOptions | undefined;
  readonly headers: Headers;
  /** HTTP/2 window of the connection and of its stream: 65,535 or more. */
  readonly windowBytes: number;
  /** `send` returns false while so many bytes wait for the peer to take them. */
  readonly sendQueueMaxBytes: number;
  readonly boundary: Boundary;
}

const HEADER_LIMITS = { maxBytes: 64 * 1024, maxPairs: 1_024 };

/** The buffer that all connections read into. Each copies what it keeps before another reads. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

export class Http2Connection {
  readonly #socket: Socket;
  readonly #boundary: Boundary;
  readonly #wire: SingleStreamConnection;
  readonly #handlers: Http2ConnectionHandlers;
  #blocked = false;
  #cause: Error | undefined;
  #first: Buffer = Buffer.alloc(0);

  constructor(options: Http2ConnectionOptions, handlers: Http2ConnectionHandlers) {
    const { windowBytes, boundary } = options;
    const socket = openSocket(options, {
      buffer: readBuffer,
      callback: (length) => {
        this.#take(length);
        return true;
      },
    });
    this.#socket = socket;
    this.#boundary = boundary;
    this.#handlers = handlers;
    this.#wire = new SingleStreamConnection(
      "client",
      socket,
      boundary,
      { windowBytes, headers: HEADER_LIMITS },
      {
        data: (bytes, from, to) => handlers.data(bytes, from, to),
        headers: (received) => handlers.headers(received),
        ended: () => this.#ended(),
        reset: (code) => this.#fault(`the server reset the stream with code ${code}`),
        goesAway: (lastStreamId) => {
          if (lastStreamId < STREAM_ID) this.#fault("the server goes away");
          else handlers.goesAway();
        },
        fault: ({ what }) => this.#fault(what),
        flushed: () => this.#flushed(),
        // What is read costs little, and what is acknowledged is bounded.
        admits: () => true,
        // This side sends no pings.
        pingAnswered: () => false,
      },
    );
    socket.on("error", (error) => {
      this.#cause ??= error;
    });
    socket.on("end", () => socket.destroy());
    socket.on("close", () => this.#ended());
    socket.write(openingBytes(encodeHeaders(options.headers), windowBytes));
  }

  /**
   * Sends a message and releases it once it is written. `more`: another follows at once, and this one may wait for it.
   * False: the message is taken, but send no more until `drained`.
   */
  send(message: GrpcFrame, more = false): boolean {
    if (this.#wire.stopped) return true;
    if (more) this.#socket.cork();
    this.#wire.sendData(
      message.bytes,
      this.#boundary.guard(this.#socket, (error?: Error | null) => {
        if (!error) message.release();
      }),
    );
    if (!more) this.#socket.uncork();
    this.#blocked = !this.#wire.flushed || this.#socket.writableNeedDrain;
    return !this.#blocked;
  }

  /** What a handler throws ends this connection, with the thrown error as the cause. */
  #take(length: number): void {
    try {
      if (this.#first.length < FIRST_BYTES) this.#keepFirst(length);
      this.#wire.read(readBuffer, length);
    } catch (error) {
      this.#cause ??= error instanceof Error ? error : new Error(String(error));
      this.#boundary.caught(this.#socket, error);
    }
  }

  #keepFirst(length: number): void {
    const missing = Math.min(length, FIRST_BYTES - this.#first.length);
    this.#first = Buffer.concat([this.#first, readBuffer.subarray(0, missing)]);
  }

  /** Ends the stream and its connection. */
  destroy(): void {
    this.#wire.stop();
    this.#socket.destroy();
  }

  #ended(): void {
    if (this.#wire.stopped) return;
    this.destroy();
    this.#handlers.closed(this.#cause, this.#first);
  }

  #fault(what: string): void {
    this.#cause ??= new Error(what);
    this.#ended();
  }

  #flushed(): void {
    const { flushed, stopped } = this.#wire;
    if (!this.#blocked || !flushed || this.#socket.writableNeedDrain || stopped) return;
    this.#blocked = false;
    this.#handlers.drained();
  }
}

function openSocket(options: Http2ConnectionOptions, onread: OnReadOpts): Socket {
  const { host, port, tls, sendQueueMaxBytes, boundary } = options;
  if (tls === undefined) {
    const plain: TcpNetConnectOpts & DuplexOptions = {
      host,
      port,
      noDelay: true,
      writableHighWaterMark: sendQueueMaxBytes,
      onread,
    };
    return connect(plain);
  }
  const secret: ConnectionOptions & DuplexOptions & Pick<TcpNetConnectOpts, "onread"> = {
    ...tls,
    host,
    port,
    highWaterMark: sendQueueMaxBytes,
    onread,
  };
  const encrypted = connectTls(secret);
  encrypted.setNoDelay(true);
  // Otherwise what is written first might reach a server before its certificate was checked.
  encrypted.cork();
  encrypted.once(
    "secureConnect",
    boundary.guard(encrypted, () => {
      if (encrypted.alpnProtocol === "h2") encrypted.uncork();
      else encrypted.destroy(new Error("the server does not speak HTTP/2 over TLS"));
    }),
  );
  return encrypted;
}

/** The first bytes of a connection: the preface, SETTINGS, the connection's window, and the headers of the stream. */
function openingBytes(headerBlock: Buffer, windowBytes: number): Buffer {
  return Buffer.concat([
    PREFACE,
    settings([
      [setting.headerTableSize, 0],
      [setting.enablePush, 0],
      [setting.initialWindowSize, windowBytes],
      [setting.singleStream, 1],
    ]),
    widenConnection(windowBytes),
    frame(frameType.headers, flag.endHeaders, STREAM_ID, headerBlock),
  ]);
}

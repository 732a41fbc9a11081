/** The client's side of a connection with one stream: connects, begins the stream at once, and goes with it. */
import { Buffer } from "node:buffer";
import { connect, type Socket, type TcpNetConnectOpts } from "node:net";
import type { DuplexOptions } from "node:stream";
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

export interface Http2ConnectionHandlers {
  /** The bytes, of which these have come, are the connection's again when the call returns. */
  data(bytes: Buffer, from: number, to: number): void;
  /** The headers, and perhaps later the trailers. */
  headers(headers: Headers): void;
  /** `send` had answered false, and more is taken again. */
  drained(): void;
  /** The peer is to end the connection, and the stream goes on until then. Perhaps several times. */
  goesAway(): void;
  /** The stream is over, and the connection with it. Once; not after `destroy`. `cause`: what went wrong, if anything. */
  closed(cause: Error | undefined): void;
}

interface Http2ConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly headers: Headers;
  /** Of what the peer may send before it was read. 65,535 or more. */
  readonly windowBytes: number;
  /** Of what waits for the peer to take it. */
  readonly sendQueueMaxBytes: number;
  readonly boundary: Boundary;
}

const HEADER_LIMITS = { maxBytes: 64 * 1024, maxPairs: 1_024 };

/** What all connections read into: each takes what it keeps before the next reads. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

export class Http2Connection {
  readonly #socket: Socket;
  readonly #boundary: Boundary;
  readonly #wire: SingleStreamConnection;
  readonly #handlers: Http2ConnectionHandlers;
  #blocked = false;
  #cause: Error | undefined;

  constructor(options: Http2ConnectionOptions, handlers: Http2ConnectionHandlers) {
    const { host, port, windowBytes, boundary } = options;
    const socketOptions: TcpNetConnectOpts & DuplexOptions = {
      host,
      port,
      noDelay: true,
      writableHighWaterMark: options.sendQueueMaxBytes,
      onread: {
        buffer: readBuffer,
        callback: (length) => {
          this.#take(length);
          return true;
        },
      },
    };
    const socket = connect(socketOptions);
    this.#socket = socket;
    this.#boundary = boundary;
    this.#handlers = handlers;
    this.#wire = new SingleStreamConnection(
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
        fault: (what) => this.#fault(what),
        flushed: () => this.#flushed(),
        // What is read costs little, and what is acknowledged is bounded.
        admits: () => true,
        // This side sends no pings.
        pingAnswered: () => {},
      },
    );
    socket.on("error", (error) => {
      this.#cause ??= error;
    });
    socket.on("end", () => socket.destroy());
    socket.on("close", () => this.#ended());
    socket.write(greeting(encodeHeaders(options.headers), windowBytes));
  }

  /**
   * Sends a message and releases it. `more`: another follows at once, and this one may wait for it. False: it is taken,
   * but hold back until `drained`.
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

  /** What a handler throws ends this connection, which the handlers are told. */
  #take(length: number): void {
    try {
      this.#wire.read(readBuffer, length);
    } catch (error) {
      this.#cause ??= error instanceof Error ? error : new Error(String(error));
      this.#boundary.caught(this.#socket, error);
    }
  }

  /** Ends the stream and its connection. */
  destroy(): void {
    this.#wire.stop();
    this.#socket.destroy();
  }

  #ended(): void {
    if (this.#wire.stopped) return;
    this.destroy();
    this.#handlers.closed(this.#cause);
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

/** All that a client says before it knows of its server: its settings, its window, and the headers of its stream. */
function greeting(headerBlock: Buffer, windowBytes: number): Buffer {
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

/**
 * The transport over HTTP/2 as Node speaks it: one connection for each Exchange stream, and none of grpc-js's layers,
 * which cost more than a message's operations. It does not encrypt.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from "node:http2";
import {
  CacheService,
  type ExchangeRequest,
  ExchangeRequestSchema,
  type ExchangeResponse,
  ExchangeResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../errors.ts";
import { MessageSplitter } from "../wire/message-splitter.ts";
import { decodeMessage, encodeFrame, methodPath } from "../wire/service.ts";
import { fromHttp2Headers } from "../wire/status.ts";
import {
  FLOW_CONTROL_WINDOW_BYTES,
  type Link,
  type LinkHandlers,
  RECEIVE_MAX_BYTES,
  type Transport,
} from "./transport.ts";

/** Of what was sent and waits for the server to take it. */
const SEND_QUEUE_MAX_BYTES = 2 ** 20;

const REQUEST_HEADERS = {
  ":method": "POST",
  ":path": methodPath(CacheService.method.exchange),
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity",
  te: "trailers",
  "user-agent": "meshcache-node",
};

export function createHttp2Transport(): Transport {
  return { open: (address, handlers) => new Http2Link(address, handlers) };
}

class Http2Link implements Link {
  readonly #handlers: LinkHandlers;
  readonly #session: ClientHttp2Session;
  readonly #stream: ClientHttp2Stream;
  readonly #splitter = new MessageSplitter({
    messageMaxBytes: RECEIVE_MAX_BYTES,
    unprovenMaxBytes: RECEIVE_MAX_BYTES,
  });
  #queuedBytes = 0;
  #blocked = false;
  /** What went wrong first. */
  #cause: unknown;
  /** How the server says that it ended the call. */
  #status: (IncomingHttpHeaders & IncomingHttpStatusHeader) | undefined;
  #over = false;

  constructor(address: string, handlers: LinkHandlers) {
    this.#handlers = handlers;
    const session = connect(`http://${address}`, {
      settings: { enablePush: false, initialWindowSize: FLOW_CONTROL_WINDOW_BYTES },
    });
    session.on("connect", () => session.setLocalWindowSize(FLOW_CONTROL_WINDOW_BYTES));
    const failed = (error: Error) => {
      this.#cause ??= error;
    };
    session.on("error", failed);
    const stream = session.request(REQUEST_HEADERS, { endStream: false });
    stream.on("error", failed);
    stream.on("response", (headers) => this.#answered(headers));
    stream.on("trailers", (trailers) => {
      this.#status = trailers;
    });
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    // A server that has ended its side waits for the end of this one.
    stream.on("end", () => stream.end());
    stream.on("close", () => this.#closed());
    this.#session = session;
    this.#stream = stream;
  }

  send(frame: ExchangeRequest): boolean {
    if (this.#over) return true;
    const encoded = encodeFrame(ExchangeRequestSchema, frame);
    const { length } = encoded.bytes;
    this.#queuedBytes += length;
    this.#stream.write(encoded.bytes, (error) => {
      // What was cut off may still be on its way to the socket.
      if (error) return;
      encoded.release();
      this.#taken(length);
    });
    this.#blocked = this.#queuedBytes >= SEND_QUEUE_MAX_BYTES;
    return !this.#blocked;
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#session.destroy();
  }

  #taken(bytes: number): void {
    this.#queuedBytes -= bytes;
    if (!this.#blocked || this.#queuedBytes > SEND_QUEUE_MAX_BYTES / 2) return;
    this.#blocked = false;
    if (!this.#over) this.#handlers.drained();
  }

  #answered(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    // Without a message a status comes with the headers, and of what is no gRPC there is none.
    if (headers["grpc-status"] !== undefined || headers[":status"] !== 200) this.#status = headers;
  }

  #receive(chunk: Buffer): void {
    if (this.#over || this.#status !== undefined) return;
    this.#splitter.push(chunk);
    for (let frame = this.#nextFrame(); frame !== undefined; frame = this.#nextFrame()) {
      this.#handlers.frame(frame);
      if (this.#over) return;
    }
  }

  #nextFrame(): ExchangeResponse | undefined {
    try {
      const message = this.#splitter.next();
      if (message !== undefined) return decodeMessage(ExchangeResponseSchema, message);
    } catch (error) {
      this.#end(unreadable(error));
    }
    if (this.#splitter.fault !== undefined) this.#end(unreadable(this.#splitter.fault));
    return undefined;
  }

  #closed(): void {
    const status = this.#status;
    if (status !== undefined) this.#end(fromHttp2Headers(status));
    else this.#end(new CacheError("UNAVAILABLE", "the connection was lost", {}, { cause: this.#cause }));
  }

  #end(error: CacheError | undefined): void {
    if (this.#over) return;
    this.close();
    this.#handlers.closed(error);
  }
}

function unreadable(cause: unknown): CacheError {
  return new CacheError("INTERNAL", "the server sent what is no frame of an exchange", {}, { cause });
}

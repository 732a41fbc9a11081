/**
 * The transport over HTTP/2: one connection for each Exchange stream, and none of the layers of grpc-js and node:http2,
 * which cost more than a message's operations. It does not encrypt.
 */
import {
  CacheService,
  type ExchangeRequest,
  ExchangeRequestSchema,
  type ExchangeResponse,
  ExchangeResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { GrpcDeframer } from "../../codec/framing/grpc-deframer.ts";
import { decodeMessage, encodeFrame, methodPath } from "../../codec/messages.ts";
import type { Boundary } from "../../common/boundary.ts";
import { CacheError } from "../../common/errors.ts";
import { parseServerAddress } from "../../common/host-port.ts";
import type { Headers } from "../../http2/hpack.ts";
import { fromHttp2Headers } from "../../rpc/status.ts";
import { Http2Connection, type Http2ConnectionHandlers } from "./http2-connection.ts";
import {
  FLOW_CONTROL_WINDOW_BYTES,
  type Link,
  type LinkHandlers,
  RECEIVE_MAX_BYTES,
  type Transport,
} from "./transport.ts";

/** Of what was sent and waits for the server to take it. */
const SEND_QUEUE_MAX_BYTES = 2 ** 20;

const REQUEST_HEADERS: Headers = {
  ":method": "POST",
  ":scheme": "http",
  ":path": methodPath(CacheService.method.exchange),
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity",
  te: "trailers",
  "user-agent": "meshcache-node",
};

export function createHttp2Transport(boundary: Boundary): Transport {
  return { open: (address, handlers) => new Http2Link(address, handlers, boundary) };
}

class Http2Link implements Link, Http2ConnectionHandlers {
  readonly #handlers: LinkHandlers;
  readonly #connection: Http2Connection;
  readonly #splitter = new GrpcDeframer({
    messageMaxBytes: RECEIVE_MAX_BYTES,
    firstAllocationMaxBytes: RECEIVE_MAX_BYTES,
    copies: true,
  });
  /** How the server says that it ended the call. */
  #status: Headers | undefined;
  #over = false;

  constructor(address: string, handlers: LinkHandlers, boundary: Boundary) {
    this.#handlers = handlers;
    const place = parseServerAddress(address);
    if (place === undefined) throw new RangeError("an address that was not checked");
    const options = {
      ...place,
      // What begins with a colon comes first (RFC 9113, section 8.3).
      headers: { ":authority": address, ...REQUEST_HEADERS },
      windowBytes: FLOW_CONTROL_WINDOW_BYTES,
      sendQueueMaxBytes: SEND_QUEUE_MAX_BYTES,
      boundary,
    };
    this.#connection = new Http2Connection(options, this);
  }

  send(frame: ExchangeRequest, more = false): boolean {
    return this.#over || this.#connection.send(encodeFrame(ExchangeRequestSchema, frame), more);
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#connection.destroy();
  }

  /** What is no gRPC has no status of its own, and what has one has it in its headers or in its trailers. */
  headers(headers: Headers): void {
    const httpStatus = headers[":status"];
    // Informational headers come before those that count.
    if (httpStatus?.startsWith("1")) return;
    if (headers["grpc-status"] !== undefined || httpStatus !== "200") this.#status = headers;
  }

  data(bytes: Buffer, from: number, to: number): void {
    if (this.#status !== undefined) return;
    this.#splitter.push(bytes, from, to);
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

  drained(): void {
    this.#handlers.drained();
  }

  goesAway(): void {
    if (!this.#over) this.#handlers.goesAway();
  }

  closed(cause: Error | undefined): void {
    const status = this.#status;
    if (status !== undefined) this.#end(fromHttp2Headers(status));
    else this.#end(new CacheError("UNAVAILABLE", "the connection was lost", {}, { cause }));
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

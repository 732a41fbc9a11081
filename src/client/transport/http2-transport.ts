/**
 * The transport over the client's own HTTP/2: one connection for each Exchange stream, without the layers of grpc-js and
 * node:http2, which cost more than the operations of a message.
 */
import {
  CacheService,
  type ExchangeRequest,
  ExchangeRequestSchema,
  type ExchangeResponse,
  ExchangeResponseSchema,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { GrpcDeframer } from "../../codec/framing/grpc-deframer.ts";
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import { decodeMessage, encodeFrame, methodPath } from "../../codec/messages.ts";
import type { Boundary } from "../../common/boundary.ts";
import { type Clock, systemClock, type Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { type HostPort, parseServerAddress } from "../../common/host-port.ts";
import type { Headers } from "../../http2/hpack.ts";
import { diagnoseConnection, diagnoseHeaders, toConnectionError } from "../../rpc/connection-problem.ts";
import { fromHttp2Headers } from "../../rpc/status.ts";
import { type ClientTls, type ClientTlsOptions, createClientTls } from "../../security/tls/client-tls.ts";
import { Http2Connection, type Http2ConnectionHandlers } from "./http2-connection.ts";
import { readToken, renewAfterMs, type TokenSource } from "./token.ts";
import {
  checkMessage,
  FLOW_CONTROL_WINDOW_BYTES,
  type Link,
  type LinkHandlers,
  RECEIVE_MAX_BYTES,
  type Transport,
} from "./transport.ts";

/** The link asks its owner to hold back while so many bytes wait for the server to take them. */
const SEND_QUEUE_MAX_BYTES = 2 ** 20;

const REQUEST_HEADERS: Headers = {
  ":method": "POST",
  ":path": methodPath(CacheService.method.exchange),
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity",
  te: "trailers",
  "user-agent": "meshcache-node",
};

export interface Http2TransportOptions {
  readonly tls?: ClientTlsOptions | undefined;
  readonly token?: TokenSource | undefined;
  readonly clock?: Clock;
}

interface LinkDeps {
  readonly boundary: Boundary;
  readonly clock: Clock;
  readonly tls: ClientTls | undefined;
  readonly token: TokenSource | undefined;
}

/** Links of which the files of `tls` cannot be used close with FIELD_INVALID. */
export function createHttp2Transport(
  boundary: Boundary,
  { tls, token, clock = systemClock }: Http2TransportOptions = {},
): Transport {
  const deps = { boundary, clock, token, tls: tls && createClientTls(tls) };
  return { open: (address, handlers) => new Http2Link(address, handlers, deps) };
}

class Http2Link implements Link, Http2ConnectionHandlers {
  readonly #address: string;
  readonly #handlers: LinkHandlers;
  readonly #deps: LinkDeps;
  /** Undefined: the token is still to come. */
  #connection: Http2Connection | undefined;
  /** What was sent before there was a connection. */
  #waiting: GrpcFrame[] = [];
  #renewal: Timer | undefined;
  readonly #splitter: GrpcDeframer;
  /** The headers or trailers with which the server ended the call. */
  #status: Headers | undefined;
  /** The server has answered as one that serves the call. */
  #accepted = false;
  /** A frame was read. */
  #hasRead = false;
  #over = false;

  constructor(address: string, handlers: LinkHandlers, deps: LinkDeps) {
    this.#address = address;
    this.#handlers = handlers;
    this.#deps = deps;
    this.#splitter = new GrpcDeframer({
      get messageMaxBytes() {
        return handlers.messageLimits().receiveMaxBytes;
      },
      firstAllocationMaxBytes: RECEIVE_MAX_BYTES,
      copies: true,
    });
    const place = parseServerAddress(address);
    if (place === undefined) throw new RangeError("the address must be host:port");
    if (deps.token === undefined) this.#connection = this.#connect(place, {});
    else {
      const connected = deps.boundary.guard(undefined, (token: string) => this.#connectWith(place, token));
      const refused = deps.boundary.guard(undefined, (error: CacheError) => this.#end(error));
      readToken(deps.token).then(connected, refused);
    }
  }

  /** Throws FIELD_INVALID for files of TLS that cannot be used. */
  #connect(place: HostPort, headers: Headers): Http2Connection {
    const { tls, boundary } = this.#deps;
    const options = {
      ...place,
      tls: tls?.connectOptions(place.host),
      // Pseudo-header fields come first (RFC 9113, section 8.3).
      headers: {
        ":authority": this.#address,
        ":scheme": tls ? "https" : "http",
        ...REQUEST_HEADERS,
        ...headers,
      },
      windowBytes: FLOW_CONTROL_WINDOW_BYTES,
      sendQueueMaxBytes: SEND_QUEUE_MAX_BYTES,
      boundary,
    };
    return new Http2Connection(options, this);
  }

  #connectWith(place: HostPort, token: string): void {
    if (this.#over) return;
    let connection: Http2Connection;
    try {
      connection = this.#connect(place, { authorization: `Bearer ${token}` });
    } catch (error) {
      this.#end(error instanceof CacheError ? error : undefined);
      return;
    }
    this.#connection = connection;
    const { clock, boundary } = this.#deps;
    const renewMs = renewAfterMs(token, Date.now());
    if (renewMs !== undefined) {
      this.#renewal = clock.schedule(
        renewMs,
        boundary.guard(undefined, () => this.goesAway()),
      );
    }
    const isTaken = this.#waiting.splice(0).reduce((_, frame) => connection.send(frame), true);
    if (isTaken) this.#handlers.drained();
  }

  send(request: ExchangeRequest, more = false): boolean {
    if (this.#over) return true;
    const message = encodeFrame(ExchangeRequestSchema, request);
    const frame = checkMessage(message, this.#handlers.messageLimits());
    if (this.#connection !== undefined) return this.#connection.send(frame, more);
    this.#waiting.push(frame);
    return false;
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting = [];
    this.#renewal?.cancel();
    this.#connection?.destroy();
  }

  /** An answer that is no gRPC has an HTTP status other than 200; gRPC's own status is in the headers or the trailers. */
  headers(headers: Headers): void {
    const httpStatus = headers[":status"];
    // Informational headers come before the final ones (RFC 9110, section 15.2).
    if (httpStatus?.startsWith("1")) return;
    const problem = this.#accepted ? undefined : diagnoseHeaders(headers);
    if (problem !== undefined) this.#end(toConnectionError(this.#address, problem));
    else if (headers["grpc-status"] !== undefined) this.#status = headers;
    else this.#accepted = true;
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
      if (message !== undefined) {
        const frame = decodeMessage(ExchangeResponseSchema, message);
        this.#hasRead = true;
        return frame;
      }
    } catch (error) {
      this.#end(this.#unreadable(error));
    }
    if (this.#splitter.fault !== undefined) this.#end(this.#unreadable(this.#splitter.fault));
    return undefined;
  }

  drained(): void {
    this.#handlers.drained();
  }

  goesAway(): void {
    if (!this.#over) this.#handlers.goesAway();
  }

  closed(cause: Error | undefined, first: Uint8Array): void {
    if (this.#status !== undefined) this.#end(fromHttp2Headers(this.#status));
    else if (this.#accepted) this.#end(connectionLost(this.#address, cause));
    else this.#end(toConnectionError(this.#address, diagnoseConnection(cause, first), cause));
  }

  /** Before a first frame it is another service that answers there. */
  #unreadable(cause: unknown): CacheError {
    const what = "the server sent bytes that are no frame of an Exchange";
    if (this.#hasRead) return new CacheError("INTERNAL", what, { address: this.#address }, { cause });
    return toConnectionError(this.#address, { problem: "wrongService", what }, cause);
  }

  #end(error: CacheError | undefined): void {
    if (this.#over) return;
    this.close();
    this.#handlers.closed(error);
  }
}

function connectionLost(address: string, cause: Error | undefined): CacheError {
  const why = cause ?? new Error("the other end closed it");
  const message = `the connection to ${address} was lost: ${why.message}`;
  return new CacheError("UNAVAILABLE", message, { address }, { cause: why });
}

/**
 * A listening socket for HTTP/1.1 and its connections: how many there may be, how long they may be silent and how old they
 * become. TLS ends here too.
 */
import {
  createServer as createHttpServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import { earlyResponses } from "../../common/early-response.ts";
import type { ServerTls } from "../../security/tls/server-tls.ts";
import type { Quota } from "../limits/quotas.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { AcceptedSockets } from "./accepted-sockets.ts";
import type { ClientRefused } from "./certified-peers.ts";
import { listenOn } from "./listener.ts";
import { keepWhilePaused } from "./tls-backpressure.ts";
import { type HandshakeOutcome, type HandshakeTurns, TlsHandshakes } from "./tls-handshakes.ts";

/** How often Node looks for requests that take too long. */
const CHECK_INTERVAL_MS = 1_000;

export interface Http1ListenerOptions {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly boundary: Boundary;
  /** Undefined: without TLS. */
  readonly tls: ServerTls | undefined;
  /** Connections that the process may have. */
  readonly quota: Quota;
  readonly sharesPort: boolean;
  /** Default: nobody is told. */
  readonly refusedClient?: ClientRefused;
  readonly turns: HandshakeTurns;
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
}

export class Http1Listener {
  readonly #options: Http1ListenerOptions;
  readonly #server: HttpServer;
  readonly #sockets: AcceptedSockets;
  /** Undefined: without TLS. */
  readonly #handshakes: TlsHandshakes | undefined;
  readonly #sinceMs = new WeakMap<Socket, number>();
  #retired = false;

  constructor(options: Http1ListenerOptions) {
    const { limits, clock, boundary, tls, quota, refusedClient, turns } = options;
    this.#options = options;
    this.#sockets = new AcceptedSockets(quota, boundary);
    this.#server = createHttpServer({
      ServerResponse: earlyResponses(boundary, clock),
      noDelay: true,
      maxHeaderSize: limits.headersMaxBytes,
      headersTimeout: limits.halfCloseMaxMs,
      requestTimeout: limits.halfCloseMaxMs,
      keepAliveTimeout: limits.connectionIdleMs,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
    });
    this.#handshakes =
      tls && new TlsHandshakes(tls, { protocol: "http/1.1", limits, clock, boundary, refusedClient, turns });
    this.#server.maxHeadersCount = limits.headersMaxPairs;
    // Node's own listener begins to serve: behind the handshake, where there is one.
    const [serveHttp] = this.#server.listeners("connection");
    if (serveHttp === undefined) throw new Error("this release of Node serves HTTP in another way");
    this.#server.removeAllListeners("connection");
    const begin = (socket: Socket): void => {
      Reflect.apply(serveHttp, this.#server, [socket]);
    };
    this.#server.on(
      "connection",
      boundary.guard(undefined, (socket: Socket) => this.#accept(socket, begin)),
    );
    this.#server.on(
      "request",
      boundary.guard(undefined, (request: IncomingMessage, response: ServerResponse) =>
        this.#serve(request, response),
      ),
    );
  }

  get open(): number {
    return this.#sockets.size;
  }

  /** Connections that were closed at once since there were too many. */
  get refused(): number {
    return this.#sockets.refused;
  }

  /** Binds and resolves with the port; rejects when it cannot. */
  listen(host: string, port: number): Promise<number> {
    return listenOn(this.#server, { host, port, reusePort: this.#options.sharesPort });
  }

  /** TLS handshakes by outcome. Undefined: without TLS. */
  get handshakes(): Readonly<Record<HandshakeOutcome, number>> | undefined {
    return this.#handshakes?.counts;
  }

  replaceTls(tls: ServerTls): void {
    this.#handshakes?.replace(tls);
  }

  /** Accepts no connection any more; each open one ends with its request. */
  retire(): void {
    this.#retired = true;
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  /** Resolves when the last connection is gone. */
  emptied(): Promise<void> {
    return this.#sockets.emptied();
  }

  destroy(): void {
    this.#server.close();
    this.#handshakes?.close();
    this.#sockets.destroyAll();
  }

  #accept(socket: Socket, begin: (socket: Socket) => void): void {
    if (!this.#sockets.add(socket)) return;
    if (this.#handshakes === undefined) begin(socket);
    else {
      // As a server of node:https does: who ends its side in a handshake has left.
      socket.allowHalfOpen = false;
      this.#handshakes.begin(socket, (encrypted: TLSSocket) => {
        begin(encrypted);
        keepWhilePaused(encrypted, this.#options.boundary);
      });
    }
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { clock, limits, serve } = this.#options;
    const { socket } = request;
    // It came behind one whose response said that it was the last.
    if (socket.writableEnded) return;
    const nowMs = clock.nowMs();
    const sinceMs = this.#sinceMs.get(socket) ?? nowMs;
    this.#sinceMs.set(socket, sinceMs);
    if (this.#retired || nowMs - sinceMs >= limits.connectionAgeMs) response.shouldKeepAlive = false;
    serve(request, response);
  }
}

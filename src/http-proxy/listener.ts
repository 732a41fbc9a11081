/** The HTTP/1.1 server of a proxy, with the bounds of what a peer may take of it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Boundary } from "../common/boundary.ts";
import { systemClock } from "../common/clock.ts";
import { earlyResponses } from "../common/early-response.ts";
import { type HostPort, toHostPort } from "../common/host-port.ts";

const HEADERS_MAX_BYTES = 16 * 1024;

/** How long a peer may take. */
export interface PeerTimes {
  /** For the head of a request. */
  readonly headMs: number;
  /** For the whole of it. */
  readonly requestMs: number;
  /** Between requests. */
  readonly idleMs: number;
  /** Without taking or sending a byte. */
  readonly stalledMs: number;
  /** How often it is looked whether the first two are over. */
  readonly checkMs: number;
}

export const PEER_TIMES: PeerTimes = {
  headMs: 10_000,
  requestMs: 120_000,
  idleMs: 65_000,
  stalledMs: 60_000,
  checkMs: 1_000,
};

export class HttpListener {
  readonly #boundary: Boundary;
  readonly #server: Server;
  #connections = 0;

  constructor(
    boundary: Boundary,
    connectionsMax: number,
    times: PeerTimes,
    serve: (request: IncomingMessage, response: ServerResponse) => void,
    onRefused: () => void,
  ) {
    this.#boundary = boundary;
    const plain = createServer({
      ServerResponse: earlyResponses(boundary),
      maxHeaderSize: HEADERS_MAX_BYTES,
      headersTimeout: times.headMs,
      requestTimeout: times.requestMs,
      keepAliveTimeout: times.idleMs,
      connectionsCheckingInterval: times.checkMs,
      // All lines of a header are part of what a response varies by.
      joinDuplicateHeaders: true,
      insecureHTTPParser: false,
    });
    const server = boundary.contain(Object.assign(plain, { destroy: () => {} }));
    this.#server = server;
    server.maxConnections = connectionsMax;
    server.setTimeout(times.stalledMs);
    server.on("drop", () => onRefused());
    server.on("connection", (socket: Socket) => {
      boundary.contain(socket);
      this.#connections += 1;
      const closed = boundary.guard(undefined, () => {
        this.#connections -= 1;
      });
      socket.once("close", closed);
    });
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      // It came behind one whose answer said that it was the last.
      if (request.socket.writableEnded) return;
      try {
        serve(request, response);
      } catch (error) {
        boundary.caught(request.socket, error);
      }
    });
  }

  /** Those that are open. */
  get connections(): number {
    return this.#connections;
  }

  /** Resolves with "HOST:PORT". Rejects when it cannot listen. */
  start({ host, port }: HostPort): Promise<string> {
    const server = this.#server;
    const boundary = this.#boundary;
    return new Promise((resolve, reject) => {
      const failed = boundary.guard(undefined, (error: Error) => reject(error));
      server.once("error", failed);
      server.listen(
        port,
        host,
        boundary.guard(undefined, () => {
          server.off("error", failed);
          server.on(
            "error",
            boundary.guard(undefined, (error: Error) => boundary.caught(undefined, error)),
          );
          resolve(toHostPort(host, (server.address() as AddressInfo).port));
        }),
      );
    });
  }

  /** Takes no more connections, and ends those that are there: at once where nothing is under way, else within `graceMs`. */
  drain(graceMs: number): Promise<void> {
    const server = this.#server;
    return new Promise((resolve) => {
      const end = this.#boundary.guard(undefined, () => server.closeAllConnections());
      const timer = systemClock.schedule(graceMs, end);
      server.close(
        this.#boundary.guard(undefined, () => {
          timer.cancel();
          resolve();
        }),
      );
      server.closeIdleConnections();
    });
  }
}

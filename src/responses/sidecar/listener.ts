/** The port of a sidecar: HTTP/2 without TLS, with as many connections as it may have. */
import {
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import type { Boundary } from "../../common/boundary.ts";
import { type HostPort, toHostPort } from "../../common/host-port.ts";
import { replaceStreamTables } from "../../http2/session-streams.ts";
import type { SidecarCounts, SidecarLimits } from "./limits.ts";

type Take = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

export class SidecarListener {
  readonly #boundary: Boundary;
  readonly #server;
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor(limits: SidecarLimits, counts: SidecarCounts, take: Take, boundary: Boundary) {
    this.#boundary = boundary;
    const settings = { maxConcurrentStreams: limits.streamsMax, maxHeaderListSize: limits.headersMaxBytes };
    this.#server = boundary.contain(Object.assign(createServer({ settings }), { destroy: () => {} }));
    this.#server.maxConnections = limits.connectionsMax;
    this.#server.on("drop", () => {
      counts.refusedConnections += 1;
    });
    this.#server.on("session", (session) => this.#keep(session, limits.connectionIdleMs));
    this.#server.on("stream", take);
  }

  /** Resolves with "HOST:PORT". */
  listen({ host, port }: HostPort): Promise<string> {
    const server = this.#server;
    const boundary = this.#boundary;
    return new Promise((resolve, reject) => {
      const refuse = boundary.guard(undefined, reject);
      server.once("error", refuse);
      const ready = () => {
        server.off("error", refuse);
        server.on(
          "error",
          boundary.guard(undefined, (error: Error) => boundary.caught(undefined, error)),
        );
        resolve(toHostPort(host, (server.address() as AddressInfo).port));
      };
      server.listen(port, host, boundary.guard(undefined, ready));
    });
  }

  close(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    return new Promise((resolve) => this.#server.close(this.#boundary.guard(undefined, () => resolve())));
  }

  #keep(session: ServerHttp2Session, idleMs: number): void {
    let streams = 0;
    this.#boundary.contain(session);
    replaceStreamTables(session);
    this.#sessions.add(session);
    session.on("error", () => session.destroy());
    session.on("close", () => this.#sessions.delete(session));
    session.on("stream", (stream) => {
      streams += 1;
      stream.once(
        "close",
        this.#boundary.guard(stream, () => {
          streams -= 1;
        }),
      );
    });
    session.setTimeout(
      idleMs,
      this.#boundary.guard(session, () => {
        if (streams === 0) session.close();
      }),
    );
  }
}

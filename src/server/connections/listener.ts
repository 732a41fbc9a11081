/**
 * The listening socket and its connections: how many there may be, who serves each one, and how they end. TLS ends here, so
 * that connections are served alike with and without it.
 */
import {
  createServer as createNetServer,
  type ListenOptions,
  type Server as NetServer,
  type Socket,
} from "node:net";
import type { Server } from "@grpc/grpc-js";
import type { Principal } from "../../security/identity/principal.ts";
import type { ServerTls } from "../../security/tls/server-tls.ts";
import type { Quota } from "../limits/quotas.ts";
import type { Throughput } from "../limits/throughput.ts";
import { AcceleratedConnections } from "./accelerated-connections.ts";
import { type Acceleration, type AcceleratorDeps, chooseAccelerator } from "./accelerator.ts";
import { AcceptedSockets } from "./accepted-sockets.ts";
import type { ClientRefused } from "./certified-peers.ts";
import { createHttp2Sessions } from "./http2-sessions.ts";
import { StreamBounds } from "./stream-bounds.ts";
import { type HandshakeOutcome, TlsHandshakes } from "./tls-handshakes.ts";

/** Connections that the system keeps until they are accepted. */
const BACKLOG_MAX = 1_024;

export interface Connections {
  /** TLS handshakes by outcome. Undefined: without TLS. */
  readonly handshakes: Readonly<Record<HandshakeOutcome, number>> | undefined;
  /** New connections get this certificate, and must satisfy these authorities. */
  replaceTls(tls: ServerTls): void;
  readonly open: number;
  /** Connections that were closed at once since there were too many. */
  readonly refused: number;
  /** Binds and resolves with the port; rejects when it cannot. */
  listen(host: string, port: number): Promise<number>;
  /** Accepts no connection any more and tells each open one to make no new call; they end with their calls. */
  retire(): void;
  /** Resolves when the last connection is gone. */
  emptied(): Promise<void>;
  /** Ends every connection now. */
  destroy(): void;
}

export interface ConnectionsOptions extends AcceleratorDeps {
  readonly acceleration: Acceleration;
  /** Undefined: without TLS. */
  readonly tls: ServerTls | undefined;
  /** Connections that the process may have. */
  readonly quota: Quota;
  /** Other servers of this process listen on the same port, and the system spreads connections over them. */
  readonly sharesPort: boolean;
  /** Default: nobody is told. */
  readonly refusedClient?: ClientRefused;
  /** Bounds the unary calls of the connections of node:http2. */
  readonly throughput: Throughput;
}

export function createConnections(server: Server, options: ConnectionsOptions): Connections {
  const {
    acceleration,
    transport: limits,
    clock,
    boundary,
    floods,
    tls,
    quota,
    sharesPort,
    register,
    throughput,
    refusedClient,
  } = options;
  const sockets = new AcceptedSockets(quota, boundary);
  const streamBounds = new StreamBounds({ limits, boundary, throughput, register });
  const sessions = createHttp2Sessions(server, {
    limits,
    clock,
    boundary,
    floods,
    streamBounds,
    opened: register.opened,
    boundReading: register.boundReading,
  });
  const accelerator = chooseAccelerator(acceleration, {
    ...options,
    streamBounds,
    serveByGrpcJs: sessions.serveStream,
  });
  const accelerated =
    accelerator && new AcceleratedConnections(accelerator, { limits, clock, boundary, turns: register });
  const handshakes =
    tls &&
    new TlsHandshakes(tls, { protocol: "h2", limits, clock, boundary, refusedClient, turns: register });

  /** A socket with or without TLS. */
  const serve = (socket: Socket, peer?: Principal): void => {
    if (peer !== undefined) register.connected(socket, peer);
    if (accelerated === undefined) sessions.serve(socket, peer);
    else accelerated.begin(socket, peer);
  };
  const accept = (socket: Socket): void => {
    if (!sockets.add(socket)) return;
    if (handshakes === undefined) serve(socket);
    else handshakes.begin(socket, serve);
  };
  const listener = createNetServer({ noDelay: true }, (socket) => boundary.guard(socket, accept)(socket));

  return {
    handshakes: handshakes?.counts,
    replaceTls: (replacing) => handshakes?.replace(replacing),
    get open() {
      return sockets.size;
    },
    get refused() {
      return sockets.refused;
    },
    listen: (host, port) => listenOn(listener, { host, port, backlog: BACKLOG_MAX, reusePort: sharesPort }),
    retire() {
      listener.close();
      sessions.retire();
      accelerated?.retire();
    },
    emptied: () => sockets.emptied(),
    destroy() {
      listener.close();
      handshakes?.close();
      sessions.destroy();
      sockets.destroyAll();
    },
  };
}

/** Resolves with the port. */
export function listenOn(listener: NetServer, options: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(options, () => {
      listener.off("error", reject);
      const address = listener.address();
      if (address === null || typeof address === "string") reject(new Error("not a TCP address"));
      else resolve(address.port);
    });
  });
}

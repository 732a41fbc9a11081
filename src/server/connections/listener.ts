/**
 * The listening socket and its connections: how many there may be, who serves each one, and how they end. Connections that
 * the accelerator does not take are served by grpc-js.
 */
import {
  createServer as createNetServer,
  type ListenOptions,
  type Server as NetServer,
  type Socket,
} from "node:net";
import type { Server, ServerCredentials } from "@grpc/grpc-js";
import type { Quota } from "../limits/quotas.ts";
import { AcceleratedConnections } from "./accelerated-connections.ts";
import { type Acceleration, type AcceleratorDeps, chooseAccelerator } from "./accelerator.ts";
import { AcceptedSockets } from "./accepted-sockets.ts";
import { createHttp2Sessions } from "./http2-sessions.ts";

/** Connections that the system keeps until they are accepted. */
const BACKLOG_MAX = 1_024;

export interface Connections {
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
  readonly credentials: ServerCredentials | undefined;
  /** Connections that the process may have. */
  readonly quota: Quota;
  /** Other servers of this process listen on the same port, and the system spreads connections over them. */
  readonly sharesPort: boolean;
}

export function createConnections(server: Server, options: ConnectionsOptions): Connections {
  const {
    acceleration,
    transport: limits,
    clock,
    boundary,
    floods,
    credentials,
    quota,
    sharesPort,
  } = options;
  const accelerator = chooseAccelerator(acceleration, options);
  const sockets = new AcceptedSockets(quota, boundary);
  const sessions = createHttp2Sessions(server, {
    limits,
    clock,
    boundary,
    floods,
    credentials,
    takeCall: accelerator && ((stream, headers) => accelerator.takeCall(stream, headers)),
  });
  // What comes encrypted is read by grpc-js alone.
  const accelerated =
    accelerator === undefined || credentials !== undefined
      ? undefined
      : new AcceleratedConnections(accelerator, { limits, clock, boundary });

  const accept = (socket: Socket): void => {
    if (!sockets.add(socket)) return;
    if (accelerated === undefined) sessions.serve(socket);
    else accelerated.offer(socket, sessions.serve);
  };
  const listener = createNetServer({ noDelay: true }, (socket) => boundary.guard(socket, accept)(socket));

  return {
    listen: (host, port) => listenOn(listener, { host, port, backlog: BACKLOG_MAX, reusePort: sharesPort }),
    retire() {
      listener.close();
      sessions.retire();
      accelerated?.retire();
    },
    emptied: () => sockets.emptied(),
    destroy() {
      listener.close();
      sessions.destroy();
      sockets.destroyAll();
    },
  };
}

/** Resolves with the port. */
function listenOn(listener: NetServer, options: ListenOptions): Promise<number> {
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

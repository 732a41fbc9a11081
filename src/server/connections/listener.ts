/**
 * The listening socket and its connections: how many there may be, who serves each one, and how they end. Connections that
 * the accelerator does not take are served by grpc-js.
 */
import { createServer as createNetServer, type Socket } from "node:net";
import type { Server, ServerCredentials } from "@grpc/grpc-js";
import { EmptySignal } from "../calls/empty-signal.ts";
import type { Quota } from "../limits/quotas.ts";
import {
  type AcceleratedConnection,
  type Acceleration,
  type Accelerator,
  type AcceleratorDeps,
  chooseAccelerator,
} from "./accelerator.ts";
import { readFirstBytes } from "./first-bytes.ts";
import { createHttp2Sessions } from "./http2-sessions.ts";

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
  const { acceleration, transport: limits, clock, boundary, credentials, quota, sharesPort } = options;
  const accelerator = chooseAccelerator(acceleration, options);
  const sessions = createHttp2Sessions(server, {
    limits,
    clock,
    boundary,
    credentials,
    takeCall: accelerator && ((stream, headers) => accelerator.takeCall(stream, headers)),
  });
  const sockets = new Set<Socket>();
  const accelerated = new Map<Socket, AcceleratedConnection>();
  /** Connections whose first bytes have not come. */
  const silent = new Set<Socket>();
  const empty = new EmptySignal();

  const accept = (socket: Socket): void => {
    boundary.contain(socket);
    socket.on("error", () => {});
    if (!quota.take()) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once("close", () => {
      quota.give();
      sockets.delete(socket);
      accelerated.delete(socket);
      if (sockets.size === 0) empty.reached();
    });
    // Nobody but grpc-js reads what is encrypted.
    if (accelerator === undefined || credentials !== undefined) sessions.serve(socket);
    else offer(socket, accelerator);
  };

  const offer = (socket: Socket, to: Accelerator): void => {
    silent.add(socket);
    const late = clock.schedule(
      limits.halfCloseMaxMs,
      boundary.guard(socket, () => socket.destroy()),
    );
    readFirstBytes(socket, (firstBytes) => {
      silent.delete(socket);
      late.cancel();
      if (firstBytes === undefined) {
        socket.destroy();
        return;
      }
      const taken = to.takeConnection(socket, firstBytes);
      if (taken !== undefined) accelerated.set(socket, taken);
      else {
        socket.unshift(firstBytes);
        sessions.serve(socket);
      }
    });
  };
  const listener = createNetServer({ noDelay: true }, (socket) => boundary.guard(socket, accept)(socket));

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        listener.once("error", reject);
        listener.listen({ host, port, backlog: 1_024, reusePort: sharesPort }, () => {
          listener.off("error", reject);
          const address = listener.address();
          if (address === null || typeof address === "string") reject(new Error("not a TCP address"));
          else resolve(address.port);
        });
      }),
    retire() {
      listener.close();
      sessions.retire();
      for (const connection of accelerated.values()) connection.retire();
      for (const socket of silent) socket.destroy();
    },
    emptied: () => empty.wait(sockets.size),
    destroy() {
      listener.close();
      sessions.destroy();
      for (const socket of sockets) socket.destroy();
    },
  };
}

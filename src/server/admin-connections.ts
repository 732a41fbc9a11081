/** The connections of the admin port: how many there may be, and which is closed when there are too many. */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Boundary } from "../common/boundary.ts";

export interface AdminConnections {
  /** How many were closed for others. */
  readonly refused: number;
}

/**
 * Beyond `max` the connection is closed that has been without a request for longest: connections that say nothing do not
 * keep probes and scrapes out. When each has a request, the new one is closed.
 */
export function boundConnections(server: Server, max: number, boundary: Boundary): AdminConnections {
  /** In the order in which they became idle. */
  const idle = new Set<Socket>();
  const busy = new Set<Socket>();
  let refused = 0;

  server.on(
    "connection",
    boundary.guard(undefined, (socket: Socket) => {
      boundary.contain(socket);
      idle.add(socket);
      socket.once("close", () => {
        idle.delete(socket);
        busy.delete(socket);
      });
      if (idle.size + busy.size <= max) return;
      refused += 1;
      const [oldest] = idle;
      oldest?.destroy();
      if (oldest !== undefined) idle.delete(oldest);
    }),
  );
  server.on(
    "request",
    boundary.guard(undefined, ({ socket }: { readonly socket: Socket }, response: ServerResponse) => {
      idle.delete(socket);
      busy.add(socket);
      response.once(
        "close",
        boundary.guard(socket, () => {
          if (busy.delete(socket) && !socket.destroyed) idle.add(socket);
        }),
      );
    }),
  );
  return {
    get refused() {
      return refused;
    },
  };
}

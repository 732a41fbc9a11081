/** The connections of the admin port: how many there may be, and which is closed when there are too many. */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Boundary } from "../common/boundary.ts";
import { endsOf } from "./limits/socket-ends.ts";

export interface AdminConnections {
  /** How many were closed for others. */
  readonly refused: number;
}

/**
 * Beyond `max` the connection is closed that has been without a request for longest: connections that say nothing do not
 * keep probes and scrapes out. When each has a request, the new one is closed.
 */
export function boundConnections(server: Server, max: number, boundary: Boundary): AdminConnections {
  /** By the addresses of both ends, in the order in which they became idle. */
  const idle = new Map<string, Socket>();
  const busy = new Map<string, Socket>();
  let refused = 0;

  server.on(
    "connection",
    boundary.guard(undefined, (socket: Socket) => {
      boundary.contain(socket);
      const ends = endsOf(socket);
      if (ends === undefined) return;
      idle.set(ends, socket);
      socket.once("close", () => {
        idle.delete(ends);
        busy.delete(ends);
      });
      if (idle.size + busy.size <= max) return;
      refused += 1;
      const [oldest] = idle;
      if (oldest === undefined) return;
      idle.delete(oldest[0]);
      oldest[1].destroy();
    }),
  );
  server.on(
    "request",
    boundary.guard(undefined, ({ socket }: { readonly socket: Socket }, response: ServerResponse) => {
      const ends = endsOf(socket);
      const accepted = ends === undefined ? undefined : (idle.get(ends) ?? busy.get(ends));
      if (ends === undefined || accepted === undefined) return;
      idle.delete(ends);
      busy.set(ends, accepted);
      response.once(
        "close",
        boundary.guard(socket, () => {
          if (busy.delete(ends) && !accepted.destroyed) idle.set(ends, accepted);
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

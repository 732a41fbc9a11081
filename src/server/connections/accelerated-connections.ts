/** Offers new connections to the accelerator by their first bytes, and keeps those that it serves. */
import type { Socket } from "node:net";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import type { AcceleratedConnection, Accelerator } from "./accelerator.ts";

interface AcceleratedConnectionsDeps {
  readonly limits: Pick<TransportLimits, "halfCloseMaxMs">;
  readonly clock: Clock;
  readonly boundary: Boundary;
}

type ServeSocket = (socket: Socket, peer: Principal | undefined) => void;

export class AcceleratedConnections {
  readonly #accelerator: Accelerator;
  readonly #deps: AcceleratedConnectionsDeps;
  /** Connections whose first bytes have not come. */
  readonly #silent = new Set<Socket>();
  readonly #taken = new Set<AcceleratedConnection>();

  constructor(accelerator: Accelerator, deps: AcceleratedConnectionsDeps) {
    this.#accelerator = accelerator;
    this.#deps = deps;
  }

  /** Waits for the first bytes. Calls `leave` with a connection that the accelerator does not take. */
  offer(socket: Socket, peer: Principal | undefined, leave: ServeSocket): void {
    const { limits, clock, boundary } = this.#deps;
    this.#silent.add(socket);
    const late = clock.schedule(
      limits.halfCloseMaxMs,
      boundary.guard(socket, () => socket.destroy()),
    );
    readFirstBytes(socket, (firstBytes) => {
      this.#silent.delete(socket);
      late.cancel();
      if (firstBytes === undefined) socket.destroy();
      else if (!this.#take(socket, firstBytes, peer)) {
        socket.unshift(firstBytes);
        leave(socket, peer);
      }
    });
  }

  /** Tells each client to make no new call, and ends the connections without a call. */
  retire(): void {
    for (const connection of this.#taken) connection.retire();
    for (const socket of this.#silent) socket.destroy();
  }

  #take(socket: Socket, firstBytes: Buffer, peer: Principal | undefined): boolean {
    const connection = this.#accelerator.takeConnection(socket, firstBytes, peer);
    if (connection === undefined) return false;
    this.#taken.add(connection);
    socket.once("close", () => this.#taken.delete(connection));
    return true;
  }
}

/** Calls `done` once, with undefined when the socket closes before it sends anything. The bytes are then not in the socket. */
function readFirstBytes(socket: Socket, done: (firstBytes: Buffer | undefined) => void): void {
  const read = (): void => {
    socket.off("readable", read);
    socket.off("close", read);
    const bytes: unknown = socket.read();
    done(Buffer.isBuffer(bytes) ? bytes : undefined);
  };
  socket.on("readable", read);
  socket.on("close", read);
}

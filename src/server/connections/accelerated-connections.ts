/** Gives new connections to the accelerator when their first bytes have come, and keeps them. */
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

  /** Waits for the first bytes, which say how it is to be served. */
  begin(socket: Socket, peer: Principal | undefined): void {
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
      else this.#serve(socket, firstBytes, peer);
    });
  }

  /** Tells each client to make no new call, and ends the connections without a call. */
  retire(): void {
    for (const connection of this.#taken) connection.retire();
    for (const socket of this.#silent) socket.destroy();
  }

  #serve(socket: Socket, firstBytes: Buffer, peer: Principal | undefined): void {
    const connection = this.#accelerator.serve(socket, firstBytes, peer);
    this.#taken.add(connection);
    socket.once("close", () => this.#taken.delete(connection));
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

/** Gives new connections to the accelerator when their first bytes have come, and keeps them. */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import type { Principal } from "../../security/identity/principal.ts";
import type { CallRegister } from "../calls/registry.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import type { AcceleratedConnection, Accelerator } from "./accelerator.ts";

interface AcceleratedConnectionsDeps {
  readonly limits: Pick<TransportLimits, "halfCloseMaxMs">;
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly turns: Pick<CallRegister, "inTurn">;
}

export class AcceleratedConnections {
  readonly #accelerator: Accelerator;
  readonly #deps: AcceleratedConnectionsDeps;
  /** Connections whose first bytes have not come. */
  readonly #silent = new Set<Socket>();
  #isRetired = false;
  readonly #taken = new Set<AcceleratedConnection>();

  constructor(accelerator: Accelerator, deps: AcceleratedConnectionsDeps) {
    this.#accelerator = accelerator;
    this.#deps = deps;
  }

  /**
   * Waits for the first bytes, which say how it is to be served, and for a turn: they may be hundreds of calls. All connections that begin
   * share turns as one does.
   */
  begin(socket: Socket, peer: Principal | undefined): void {
    const { limits, clock, boundary, turns } = this.#deps;
    this.#silent.add(socket);
    const late = clock.schedule(
      limits.halfCloseMaxMs,
      boundary.guard(socket, () => socket.destroy()),
    );
    const forget = (): void => {
      this.#silent.delete(socket);
      late.cancel();
    };
    socket.once("close", forget);
    const begin = boundary.guard(socket, () => {
      // It may be gone since, or never have said anything.
      const firstBytes: unknown = socket.destroyed ? undefined : socket.read();
      if (Buffer.isBuffer(firstBytes)) this.#serve(socket, firstBytes, peer);
      else socket.destroy();
    });
    socket.once("readable", () => {
      socket.off("close", forget);
      forget();
      turns.inTurn(this, begin);
    });
  }

  /** Tells each client to make no new call, and ends the connections without a call. */
  retire(): void {
    this.#isRetired = true;
    for (const connection of this.#taken) connection.retire();
    for (const socket of this.#silent) socket.destroy();
  }

  #serve(socket: Socket, firstBytes: Buffer, peer: Principal | undefined): void {
    const connection = this.#accelerator.serve(socket, firstBytes, peer);
    this.#taken.add(connection);
    socket.once("close", () => this.#taken.delete(connection));
    // It waited for its turn meanwhile.
    if (this.#isRetired) connection.retire();
  }
}

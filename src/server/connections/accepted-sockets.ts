/** The sockets of the accepted connections: how many there may be, and when none is left. */
import type { Socket } from "node:net";
import type { Boundary } from "../../common/boundary.ts";
import { EmptySignal } from "../calls/empty-signal.ts";
import type { Quota } from "../limits/quotas.ts";

export class AcceptedSockets {
  readonly #quota: Quota;
  readonly #boundary: Boundary;
  readonly #sockets = new Set<Socket>();
  readonly #empty = new EmptySignal();
  /** Connections that were closed at once since there were too many. */
  refused = 0;

  /** `quota`: the connections that the process may have. */
  constructor(quota: Quota, boundary: Boundary) {
    this.#quota = quota;
    this.#boundary = boundary;
  }

  /** False: there are too many, and the socket is destroyed. */
  add(socket: Socket): boolean {
    this.#boundary.contain(socket);
    socket.on("error", () => {});
    if (!this.#quota.take()) {
      this.refused += 1;
      socket.destroy();
      return false;
    }
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#quota.give();
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#empty.reached();
    });
    return true;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** Resolves when the last socket is closed. */
  emptied(): Promise<void> {
    return this.#empty.wait(this.#sockets.size);
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

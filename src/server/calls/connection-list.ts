/** The open connections of this server that may have calls, for the operators' list of clients. */
import type { Socket } from "node:net";
import type { Boundary } from "../../common/boundary.ts";
import { toHostPort } from "../../common/host-port.ts";
import type { CallSession } from "./http2-stream.ts";

export interface ListedConnection {
  /** Of this thread alone: from 1, in the order in which they began. */
  readonly number: number;
  readonly session: CallSession;
  /** HOST:PORT of the peer. */
  readonly address: string;
  /** Without the port. */
  readonly host: string;
  readonly sinceMs: number;
}

export class ConnectionList {
  readonly #boundary: Boundary;
  readonly #open = new Map<CallSession, ListedConnection>();
  #last = 0;

  constructor(boundary: Boundary) {
    this.#boundary = boundary;
  }

  /** Lists it until its socket is closed. */
  add(session: CallSession, socket: Socket, nowMs: number): void {
    this.#last += 1;
    const host = socket.remoteAddress ?? "";
    const address = toHostPort(host, socket.remotePort ?? 0);
    this.#open.set(session, { number: this.#last, session, address, host, sinceMs: nowMs });
    socket.once(
      "close",
      this.#boundary.guard(undefined, () => {
        this.#open.delete(session);
      }),
    );
  }

  /** Undefined: it is closed. */
  of(session: CallSession): ListedConnection | undefined {
    return this.#open.get(session);
  }

  get size(): number {
    return this.#open.size;
  }

  /** In the order in which they began. */
  all(): Iterable<ListedConnection> {
    return this.#open.values();
  }
}

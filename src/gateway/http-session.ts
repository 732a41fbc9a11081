/** A connection over HTTP/1.1, as the register of open calls knows connections. It has one call at a time. */
import type { Socket } from "node:net";
import type { Principal } from "../security/identity/principal.ts";
import type { CallSession } from "../server/calls/http2-stream.ts";

export class HttpSession implements CallSession {
  readonly #socket: Socket;
  readonly #peerOf: (socket: Socket) => Principal | undefined;

  /** `peerOf`: whose client certificate the connection has shown. */
  constructor(socket: Socket, peerOf: (socket: Socket) => Principal | undefined) {
    this.#socket = socket;
    this.#peerOf = peerOf;
  }

  get peer(): Principal | undefined {
    return this.#peerOf(this.#socket);
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  once(event: "close", listener: () => void): void {
    this.#socket.once(event, listener);
  }

  /** HTTP/1.1 has no pings: a peer that takes nothing is found by its call alone. */
  ping(): boolean {
    return false;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

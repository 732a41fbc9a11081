/** The network between a process and the cache server: a proxy that can cut it, swallow everything, or lead to two servers. */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** "silent": a half-open network. Bytes are lost and nobody is told. "cut": connections end, and none can be made. */
export type NetworkState = "open" | "silent" | "cut";

export class Network {
  state: NetworkState = "open";
  /** Of the servers behind the address. With two, connections go to one and the other by turns. */
  serverPorts: readonly number[];
  #connections = 0;
  readonly #sockets = new Set<Socket>();
  readonly #server;

  constructor(serverPort: number) {
    this.serverPorts = [serverPort];
    this.#server = createServer({ noDelay: true }, (near) => {
      if (this.state === "cut") {
        near.resetAndDestroy();
        return;
      }
      this.#connections += 1;
      const port = this.serverPorts[this.#connections % this.serverPorts.length] ?? serverPort;
      const far = connect({ host: "127.0.0.1", port, noDelay: true });
      this.#pipe(near, far);
      this.#pipe(far, near);
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    this.state = "cut";
    this.resetAll();
  }

  /** Connections end, and new ones can be made. */
  resetAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #pipe(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on("data", (chunk) => {
      if (this.state === "open" && !to.destroyed) to.write(chunk);
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}

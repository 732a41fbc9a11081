/** A proxy between clients and a server that changes what clients send. What the server sends passes as it is. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { connectToServer, createPlainOrTlsServer } from "./test-tls.ts";

export interface ForwardingProxy {
  readonly port: number;
  stop(): Promise<void>;
}

/** `forward` gives what the client sends to the server, and its end. */
export async function startForwardingProxy(
  serverPort: number,
  forward: (client: Socket, server: Socket) => void,
): Promise<ForwardingProxy> {
  const sockets = new Set<Socket>();
  const proxy = createPlainOrTlsServer((client) => {
    const server = connectToServer(serverPort).socket;
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    server.pipe(client);
    forward(client, server);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, "close");
    },
  };
}

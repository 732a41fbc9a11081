/** A server and clients of it, each as another process would have it. */
import { type ClientOptions, MeshCache } from "../../../src/index.ts";
import { startServer } from "../../support/running-server.ts";

export interface Served extends AsyncDisposable {
  readonly address: string;
  readonly cache: MeshCache;
  connect(options?: Omit<ClientOptions, "address">): MeshCache;
}

export async function serve(): Promise<Served> {
  const server = await startServer();
  const clients: MeshCache[] = [];
  const connect = (options: Omit<ClientOptions, "address"> = {}) => {
    const client = new MeshCache({ address: server.address, deadlineMs: "30s", ...options });
    clients.push(client);
    return client;
  };
  return {
    address: server.address,
    cache: connect(),
    connect,
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((client) => client.close({ graceMs: 0 })));
      await server.stop();
    },
  };
}

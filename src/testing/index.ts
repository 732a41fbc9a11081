/** What `import "meshcache/testing"` gives: a server and a client in this process, started in one line. */
import "../common/require-node.ts";
import type { ClientOptions } from "../client/api/options.ts";
import { MeshCache } from "../client/mesh-cache.ts";
import { type CacheServer, createServer, type ServerOptions } from "../server/index.ts";

export interface TestCacheOptions {
  /** Default: a server on a free port of 127.0.0.1 with an empty store. */
  readonly server?: ServerOptions;
  /** Beside the address, which is the server's. */
  readonly client?: Omit<ClientOptions, "address">;
}

export interface TestCache extends AsyncDisposable {
  readonly cache: MeshCache;
  readonly server: CacheServer;
  /** "HOST:PORT", for clients in other processes. */
  readonly address: string;
  /** Another client of the same server, as another process would have it. Closed with this. */
  connect(options?: Omit<ClientOptions, "address">): MeshCache;
  close(): Promise<void>;
}

/** `await using mesh = await startTestCache()` */
export async function startTestCache(options: TestCacheOptions = {}): Promise<TestCache> {
  const server = createServer({ listen: "127.0.0.1:0", ...options.server });
  const address = await server.start();
  const clients: MeshCache[] = [];
  const connect = (clientOptions: Omit<ClientOptions, "address"> = {}): MeshCache => {
    const client = new MeshCache({ ...clientOptions, address });
    clients.push(client);
    return client;
  };
  const close = async () => {
    await Promise.all(clients.map((client) => client.close({ graceMs: 0 })));
    await server.close();
  };
  return { cache: connect(options.client), server, address, connect, close, [Symbol.asyncDispose]: close };
}

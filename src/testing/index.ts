/** `import "meshcache/testing"`: a server and its clients in this process, for tests of applications. */
import "../common/require-node.ts";
import type { ClientOptions } from "../client/api/options.ts";
import { MeshCache } from "../client/mesh-cache.ts";
import { type CacheServer, createServer, type ServerOptions } from "../server/index.ts";

export interface TestCacheOptions {
  /** Default: a server on a free port of 127.0.0.1 with an empty store of its own. */
  readonly server?: ServerOptions;
  /** The options of `cache`. Its address is the server's. */
  readonly client?: Omit<ClientOptions, "address">;
}

export interface TestCache extends AsyncDisposable {
  /** A client of the server. */
  readonly cache: MeshCache;
  readonly server: CacheServer;
  /** Where the server listens, "HOST:PORT", for clients in other processes. */
  readonly address: string;
  /** Makes another client of the server, as another process would have it. `close()` closes it too. */
  connect(options?: Omit<ClientOptions, "address">): MeshCache;
  /** Ends all clients, without waiting for their calls, and then the server. */
  close(): Promise<void>;
}

/**
 * Starts a server and a client: `await using mesh = await startTestCache()`. Rejects with FIELD_INVALID for an option out
 * of its range.
 */
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

/** `import "meshcache/testing"`: a server and its clients in this process, for tests of applications. */
import "../common/require-node.ts";
import type { ClientOptions } from "../client/api/options.ts";
import { MeshCache } from "../client/mesh-cache.ts";
import type { Clock } from "../common/clock.ts";
import { type CacheServer, createServer, type ServerOptions } from "../server/index.ts";
import { createFollowingClock } from "./clocks.ts";

export type { Clock, Timer } from "../common/clock.ts";
export { createTestClock, type TestClock } from "./clocks.ts";

const DAY_MS = 86_400_000;

export interface TestCacheOptions {
  /**
   * Default: a server on a free port of 127.0.0.1 with an empty store of its own, that refuses nothing because the tests are
   * busy: its `transport.shedAfterMs` is a day.
   */
  readonly server?: ServerOptions;
  /** The options of `cache`. Its address is the server's. */
  readonly client?: Omit<ClientOptions, "address">;
  /**
   * The time of the server and of its clients: TTLs, leases, pings, deadlines and cooldowns. Default: it follows `Date`, so fake
   * timers move it. `createTestClock()` makes one that the test moves.
   */
  readonly clock?: Clock;
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
  const clock = options.clock ?? createFollowingClock();
  const transport = { shedAfterMs: DAY_MS, ...options.server?.transport };
  const server = createServer({ listen: "127.0.0.1:0", clock, ...options.server, transport });
  const address = await server.start();
  const clients: MeshCache[] = [];
  const connect = (clientOptions: Omit<ClientOptions, "address"> = {}): MeshCache => {
    const client = new MeshCache({ ...clientOptions, address }, { clock });
    clients.push(client);
    return client;
  };
  const close = async () => {
    await Promise.all(clients.map((client) => client.close({ graceMs: 0 })));
    await server.close();
  };
  return { cache: connect(options.client), server, address, connect, close, [Symbol.asyncDispose]: close };
}

/** A real server on a free port, a client for it, and a check that it survived a test. */
import {
  Health,
  HealthCheckResponse_ServingStatusSchema as ServingStatusSchema,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { createServiceClient, type ServiceClient } from "../../src/rpc/client.ts";
import { type CacheServer, createServer, createStore, type ServerOptions } from "../../src/server/index.ts";
import { createServerThreads } from "../../src/server/workers/index.ts";
import type { TierStore } from "../../src/tier/tier-store.ts";
import { type ProxyProcess, startProxy } from "../proxies/proxy.ts";
import { inTurns } from "./servers-in-turns.ts";
import { closeTestTier, startTestTier, testTier, testTierServers } from "./test-tier.ts";
import { testCredentials, testTls } from "./test-tls.ts";
import { CALM, testAcceleration, testProxy, testWorkers } from "./test-workers.ts";

export interface RunningServer {
  /** The first one, where a suite runs on a tier of several. */
  readonly server: CacheServer;
  readonly servers: readonly CacheServer[];
  /** The proxy's, where a suite runs through one. Of several servers that of the next one, each time. */
  readonly address: string;
  readonly port: number;
  readonly client: ServiceClient;
  /** Another client with a connection of its own. */
  connect(): ServiceClient;
  /** The health status, such as "SERVING", read over a separate connection. */
  health(): Promise<string>;
  stop(): Promise<void>;
}

const OWN_CONNECTION = { "grpc.use_local_subchannel_pool": 1, "grpc.max_receive_message_length": 8 << 20 };

export interface RunningServerOptions extends ServerOptions {
  /**
   * Worker threads. 1: none, the server runs in this thread. Default: MESH_TEST_WORKERS, or 1 for a server with
   * objects of this thread, such as a store or a clock.
   */
  readonly workers?: number;
}

export async function startServer(options: RunningServerOptions = {}): Promise<RunningServer> {
  if (!isOnTestTier(options)) return startOne(options);
  const stores = await startTestTier(testTierServers);
  return inTurns(await Promise.all(stores.map((store) => startOnTier(store, options))));
}

/** Two servers of one store, which is on the tier where a suite runs on one. */
export async function startTwoServers(
  first: RunningServerOptions,
  second: RunningServerOptions,
): Promise<readonly [RunningServer, RunningServer]> {
  if (testTier === undefined) {
    const store = createStore({ engine: "lru" });
    return Promise.all([startOne({ ...first, store }), startOne({ ...second, store })]);
  }
  const [one, other] = await startTestTier(2);
  if (one === undefined || other === undefined) throw new Error("there are two stores");
  return Promise.all([startOnTier(one, first), startOnTier(other, second)]);
}

async function startOnTier(store: TierStore, options: RunningServerOptions): Promise<RunningServer> {
  const running = await startOne({ ...options, store });
  const stop = async (): Promise<void> => {
    await running.stop();
    closeTestTier(store);
  };
  return { ...running, stop };
}

async function startOne(options: RunningServerOptions): Promise<RunningServer> {
  const server = createServerFor({
    listen: "127.0.0.1:0",
    acceleration: testAcceleration,
    ...(testTls === undefined ? {} : { security: testTls.security }),
    ...options,
    transport: { ...CALM, ...options.transport },
  });
  const listensOn = await server.start();
  const proxy: ProxyProcess | undefined = testProxy && (await startProxy(testProxy, listensOn));
  const address = proxy?.address ?? listensOn;
  const clients: ServiceClient[] = [];
  const connect = () => {
    const client = createServiceClient(address, testCredentials, OWN_CONNECTION);
    clients.push(client);
    return client;
  };
  return {
    server,
    servers: [server],
    address,
    port: Number(address.slice(address.lastIndexOf(":") + 1)),
    client: connect(),
    connect,
    health: () => checkHealth(address),
    async stop() {
      for (const client of clients) client.close();
      await server.close();
      await proxy?.[Symbol.asyncDispose]();
    },
  };
}

/** A test that gives its server a store, a clock or threads is about these. */
function isOnTestTier({ store, clock, rng, workers }: RunningServerOptions): boolean {
  const own = [store, clock, rng, workers];
  return testTier !== undefined && own.every((one) => one === undefined);
}

function createServerFor({ workers, ...options }: RunningServerOptions): CacheServer {
  const { store, telemetry, clock, rng, ...plain } = options;
  const ownOf = { store, telemetry, clock, rng };
  const bound = Object.values(ownOf).some((own) => own !== undefined);
  if (bound && workers !== undefined && workers > 1)
    throw new Error("objects of this thread cannot be shared with worker threads");
  const count = workers ?? (bound ? 1 : testWorkers);
  if (count === 1) return createServer(options);
  const server = createServerThreads({ ...plain, workers: count });
  // An error here fails the test run as an unhandled rejection.
  void server.crashed.then((crash) => Promise.reject(crash));
  return server;
}

async function checkHealth(address: string): Promise<string> {
  const client = createServiceClient(address, testCredentials, OWN_CONNECTION);
  try {
    const { status } = await client.unary(Health.method.check, {}, { timeoutMs: 5_000 });
    return ServingStatusSchema.value[status]?.name ?? "";
  } finally {
    client.close();
  }
}

/** A real server on a free port, a client for it, and a check that it survived a test. */
import {
  Health,
  HealthCheckResponse_ServingStatusSchema as ServingStatusSchema,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { createServiceClient, type ServiceClient } from "../../src/rpc/client.ts";
import { type CacheServer, createServer, type ServerOptions } from "../../src/server/index.ts";
import { createServerThreads } from "../../src/server/workers/index.ts";
import { type ProxyProcess, startProxy } from "../proxies/proxy.ts";
import { startTestTier, testTier } from "./test-tier.ts";
import { testCredentials, testTls } from "./test-tls.ts";
import { CALM, testAcceleration, testProxy, testWorkers } from "./test-workers.ts";

export interface RunningServer {
  readonly server: CacheServer;
  /** The proxy's, where a suite runs through one. */
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
  const tier = isOnTestTier(options) ? await startTestTier() : undefined;
  const server = createServerFor({
    listen: "127.0.0.1:0",
    acceleration: testAcceleration,
    ...(testTls === undefined ? {} : { security: testTls.security }),
    ...options,
    ...(tier && { store: tier }),
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
    address,
    port: Number(address.slice(address.lastIndexOf(":") + 1)),
    client: connect(),
    connect,
    health: () => checkHealth(address),
    async stop() {
      for (const client of clients) client.close();
      await server.close();
      tier?.close();
      await proxy?.[Symbol.asyncDispose]();
    },
  };
}

/** A test that gives its server a store, a clock or threads is about these. */
function isOnTestTier({ store, clock, rng, workers }: RunningServerOptions): boolean {
  return testTier && store === undefined && clock === undefined && rng === undefined && workers === undefined;
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

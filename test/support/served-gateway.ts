/** A gateway on a port of its own, over a store in memory. */
import { createServer } from "node:http";
import { earlyResponses } from "../../src/common/early-response.ts";
import { openSecurity, type SecurityOptions } from "../../src/security/security.ts";
import { type AdminGatewayOptions, createAdminGateway } from "../../src/server/admin-gateway.ts";
import { createProcessBounds } from "../../src/server/limits/quotas.ts";
import { resolveTransportLimits, type TransportLimits } from "../../src/server/limits/transport-limits.ts";
import { createServiceHost, type HostOptions } from "../../src/server/service-host.ts";
import type { Store } from "../../src/store/api/store.ts";
import { createStore } from "../../src/store/engine/create-store.ts";
import { loudBoundary } from "./loud-boundary.ts";

export interface ServedGateway {
  /** "http://127.0.0.1:PORT". */
  readonly url: string;
  readonly store: Store;
  close(): Promise<void>;
}

export interface ServedGatewayOptions extends HostOptions {
  readonly store?: Store;
  readonly security?: SecurityOptions;
  readonly transport?: Partial<TransportLimits>;
  readonly gateway?: Partial<AdminGatewayOptions>;
}

export async function serveGateway(options: ServedGatewayOptions = {}): Promise<ServedGateway> {
  const host = "127.0.0.1";
  const transport = resolveTransportLimits(options.transport);
  const security = openSecurity(options.security, host);
  const place = { bounds: createProcessBounds(transport), startedMs: 0, worker: 0, workers: 1 };
  const store = options.store ?? createStore();
  const { operators, calls } = createServiceHost({ ...options, store }, transport, place, security);
  const gateway = createAdminGateway({
    store,
    operators,
    security,
    host,
    anonymousWrites: true,
    anonymousBeyondLoopback: false,
    page: new Map(),
    ...options.gateway,
  });
  const server = createServer({ ServerResponse: earlyResponses(loudBoundary) }, (request, response) => {
    if (!gateway.serve(request, response)) response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP address");
  const { port } = address;
  return {
    url: `http://${host}:${port}`,
    store,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      gateway.close();
      calls.close();
    },
  };
}

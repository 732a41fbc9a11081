/** Servers on the shared tier over one cluster of an engine. */
import { setImmediate as nextTurn } from "node:timers";
import { systemClock } from "../../src/common/clock.ts";
import { parseServerAddress } from "../../src/common/host-port.ts";
import { systemRng } from "../../src/common/random.ts";
import type { ServiceClient } from "../../src/rpc/client.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { TierOptions } from "../../src/tier/options.ts";
import { TierStore } from "../../src/tier/tier-store.ts";
import { loudBoundary } from "./loud-boundary.ts";
import { type RunningServer, type RunningServerOptions, startServer } from "./running-server.ts";

/** `addresses`: of nodes, HOST:PORT. */
export function tierStoreOver(addresses: readonly string[], options: Partial<TierOptions> = {}): TierStore {
  return new TierStore({
    seeds: addresses.map((address) => {
      const seed = parseServerAddress(address);
      if (seed === undefined) throw new Error(`${address} is no HOST:PORT`);
      return seed;
    }),
    security: { tls: undefined, user: undefined, password: undefined },
    clock: systemClock,
    rng: systemRng,
    telemetry: createNoTelemetry(),
    boundary: loudBoundary,
    defer: (run) => void nextTurn(run),
    logMaxEvents: 4_096,
    logMaxBytes: 1 << 20,
    operationMaxMs: 10_000,
    ...options,
  });
}

export interface TierServers {
  readonly servers: readonly RunningServer[];
  readonly stores: readonly TierStore[];
  /** Of the next server, in turns. */
  nextClient(): ServiceClient;
  stop(): Promise<void>;
}

export async function startTierServers(
  addresses: readonly string[],
  count: number,
  options: RunningServerOptions = {},
): Promise<TierServers> {
  const stores = Array.from({ length: count }, () => tierStoreOver(addresses));
  await Promise.all(stores.map((store) => store.start()));
  const servers = await Promise.all(stores.map((store) => startServer({ ...options, store })));
  let turn = 0;
  return {
    servers,
    stores,
    nextClient() {
      turn = (turn + 1) % servers.length;
      const server = servers[turn];
      if (server === undefined) throw new Error("there is no server");
      return server.client;
    },
    async stop() {
      await Promise.all(servers.map((server) => server.stop()));
      for (const store of stores) store.close();
    },
  };
}

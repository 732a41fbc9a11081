/** A trace that two clients with near caches replay while the server is restarted again and again. */
import { replayThroughClients } from "../../src/cli/replay/mesh.ts";
import { fromMeshCache } from "../../src/cli/replay/mesh-client.ts";
import { createMeshTally } from "../../src/cli/replay/mesh-tally.ts";
import { MESH_LEASE_MS } from "../../src/cli/replay/mesh-traffic.ts";
import { createOrigin } from "../../src/cli/replay/origin.ts";
import { createPayloads } from "../../src/cli/replay/payload.ts";
import type { Trace } from "../../src/cli/replay/trace.ts";
import { createSeededRng } from "../../src/common/random.ts";
import { MeshCache } from "../../src/index.ts";
import { patient } from "../patient-client.ts";
import type { Outage, RestartedServer } from "./restarted-server.ts";

const SEED = 1;

export interface Restarts {
  readonly signal: NodeJS.Signals;
  readonly count: number;
}

export interface Replayed {
  readonly hitRatio: number;
  /** Of the reads, those that near caches answered. */
  readonly nearRatio: number;
  readonly reads: number;
  readonly stale: number;
  /** Of each client. */
  readonly gaps: readonly number[];
  readonly outages: readonly Outage[];
}

/** Ends the server at the end. */
export async function replayOverRestarts(
  server: RestartedServer,
  trace: Trace,
  accesses: number,
  restarts: Restarts | undefined,
): Promise<Replayed> {
  const caches = ["writer", "reader"].map(
    (clientId) =>
      new MeshCache({
        ...{ address: server.address, clientId, plaintext: true, leaseMs: MESH_LEASE_MS },
        ...{ backoffMaxMs: 100, onEvent: () => undefined },
      }),
  );
  const [writer, reader] = caches.map((cache) => patient(fromMeshCache(cache, "replay")));
  if (writer === undefined || reader === undefined) throw new Error("there are two clients");
  const synced = () => Promise.all([writer.sync(), reader.sync()]);
  await synced();
  const tally = createMeshTally();
  let begun = 0;
  let restarting: Promise<unknown> = Promise.resolve();
  const onProgress = (): void => {
    if (restarts === undefined || begun === restarts.count) return;
    const due = Math.floor((tally.counts.accesses * (restarts.count + 1)) / accesses);
    if (due <= begun) return;
    begun += 1;
    // Both clients know of each life: two of them at once would be one gap.
    restarting = restarting.then(() => server.restart(restarts.signal)).then(synced);
  };
  await replayThroughClients(
    { trace, accesses, concurrency: 16, batch: 1, writes: 0.02, tagWrites: 0.05 },
    {
      ...{ writer, reader, leaseMs: MESH_LEASE_MS, tally, onProgress },
      ...{ origin: createOrigin(), payloads: createPayloads(1n, SEED, 512), rng: createSeededRng(SEED) },
      interrupted: new AbortController().signal,
    },
  );
  await restarting;
  const gaps = caches.map((cache) => cache.stats().connection.gaps);
  await Promise.all(caches.map((cache) => cache.close()));
  await server.stop();
  const { reads, near, remote, stale, wrong } = tally.counts;
  return {
    ...{ hitRatio: (near + remote) / reads, nearRatio: near / reads, reads, stale: stale + wrong },
    ...{ gaps, outages: server.outages },
  };
}

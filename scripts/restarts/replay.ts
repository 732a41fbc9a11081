/** A trace that two clients with near caches replay while the server is restarted again and again. */
import type { Trace } from "../../src/cli/replay/trace.ts";
import type { Outage, RestartedServer } from "./restarted-server.ts";
import { TwoClients } from "./two-clients.ts";

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
  const clients = new TwoClients(server.address);
  let begun = 0;
  let restarting: Promise<unknown> = Promise.resolve();
  await clients.replay(trace, accesses, (synced) => {
    if (restarts === undefined || begun === restarts.count) return;
    const due = Math.floor((clients.counts.accesses * (restarts.count + 1)) / accesses);
    if (due <= begun) return;
    begun += 1;
    // Both clients know of each life: two of them at once would be one gap.
    restarting = restarting.then(() => server.restart(restarts.signal)).then(synced);
    // It is told of below: until then nobody waits for it.
    restarting.catch(() => {});
  });
  await restarting;
  const { gaps } = clients;
  await clients.close();
  await server.stop();
  const { reads, near, remote, stale, wrong } = clients.counts;
  return {
    ...{ hitRatio: (near + remote) / reads, nearRatio: near / reads, reads, stale: stale + wrong },
    ...{ gaps, outages: server.outages },
  };
}

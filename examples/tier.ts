/**
 * The example of the shared tier: two servers over a cluster of an engine, writers, readers and near caches on both. A primary is killed while
 * they work, and a judge compares every read with what had been acknowledged before.
 */
import { setTimeout as wait } from "node:timers/promises";
import { EngineCluster } from "../test/support/engine/engine-cluster.ts";
import { engineProgram, INSTALLATION } from "../test/support/engine/programs.ts";
import { startTierServers } from "../test/support/tier-server.ts";
import { History } from "../test/tier/history.ts";

export interface TierStory {
  readonly staleReads: readonly string[];
  readonly written: number;
  readonly read: number;
  /** Operations that ended with an error: those of the primary that was killed, until its replica was elected. */
  readonly failed: number;
  /** From the kill until both servers had the new epoch. */
  readonly outageMs: number;
}

/** Before and after the kill. Default 2 s. */
export async function runTierExample(say: (line: string) => void, restMs = 2_000): Promise<TierStory> {
  const engine = engineProgram("redis") === undefined ? "valkey" : "redis";
  if (engineProgram(engine) === undefined) throw new Error(`no engine is installed: ${INSTALLATION.redis}`);
  await using cluster = await EngineCluster.start({
    engine,
    primaries: 3,
    replicas: 1,
    nodeTimeoutMs: 1_000,
  });
  say(`three primaries and three replicas of ${engine}: ${cluster.addresses.join(" ")}`);
  const { servers, stores, stop } = await startTierServers(cluster.addresses, 2);
  try {
    say(
      `two servers: ${servers.map(({ address }) => address).join(" and ")}, with one epoch: ${stores[0]?.epoch}`,
    );
    const history = new History();
    history.write(servers.map(({ client }) => client));
    for (const server of servers) {
      history.read(server.connect());
      history.readNear(server.address);
    }
    await wait(restMs);
    say(countsOf(history));
    const before = stores.map(({ epoch }) => epoch);
    const [victim] = cluster.nodes;
    const killedMs = performance.now();
    victim?.kill();
    say(`KILLED the primary 127.0.0.1:${victim?.port}, process ${victim?.pid}`);
    while (stores.some(({ epoch }, index) => epoch === before[index])) await wait(20);
    const outageMs = performance.now() - killedMs;
    say(
      `its replica was elected, and its shards have begun again, ${Math.round(outageMs)} ms later: epoch ${stores[0]?.epoch}`,
    );
    await wait(restMs);
    await history.end();
    say(countsOf(history));
    const { written, failed, hits, misses, nearReads } = history.counts;
    return { staleReads: history.faults, written, read: hits + misses + nearReads, failed, outageMs };
  } finally {
    await stop();
  }
}

function countsOf({ counts, faults }: History): string {
  const { written, failed, hits, misses, nearReads } = counts;
  return `${written} writes, ${failed} failed; ${hits} hits, ${misses} misses; ${nearReads} near reads; ${faults.length} stale`;
}

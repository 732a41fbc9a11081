/** meshcache on the shared tier: servers whose entries are in one node of an engine, which the peer of a row uses directly. */
import { EngineCluster } from "../../test/support/engine/engine-cluster.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { Session } from "../session.ts";
import { startMeshcacheServer } from "./server.ts";

/** Of the servers, which keep no entries here. */
const BUDGET_BYTES = 2 ** 26;

export interface Engine extends AsyncDisposable {
  readonly address: string;
  readonly pid: number;
}

/** One primary in cluster mode, with all slots. */
export async function startEngine(): Promise<Engine> {
  const cluster = await EngineCluster.start({ engine: "redis" });
  const [node] = cluster.nodes;
  const [address] = cluster.addresses;
  if (node?.pid === undefined || address === undefined) throw new Error("the engine has not started");
  return { address, pid: node.pid, [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose]() };
}

export async function startTierServer(
  session: Session,
  engine: Engine,
): Promise<AsyncDisposable & { address: string }> {
  const tier = `valkey://${engine.address}`;
  const server = await startMeshcacheServer(session, { budgetBytes: BUDGET_BYTES, tier });
  return {
    address: `${LOOPBACK}:${server.port}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

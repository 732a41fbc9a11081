/** meshcache on the shared tier: servers whose entries are in an engine, which the peer of a row may use directly. */
import { EngineCluster } from "../../test/support/engine/engine-cluster.ts";
import type { RespConnection } from "../../test/support/engine/resp-connection.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { Session } from "../session.ts";
import { startMeshcacheServer } from "./server.ts";

/** Of the servers, which keep no entries here. */
const BUDGET_BYTES = 2 ** 26;

export interface Engine extends AsyncDisposable {
  /** Of its first node. */
  readonly address: string;
  /** Of all nodes. */
  readonly pids: readonly number[];
  /** To its first node. */
  connect(): Promise<RespConnection>;
}

/** Primaries in cluster mode, which share all slots evenly. */
export async function startEngine(primaries = 1): Promise<Engine> {
  const cluster = await EngineCluster.start({ engine: "redis", primaries });
  const [node] = cluster.nodes;
  const [address] = cluster.addresses;
  if (node === undefined || address === undefined) throw new Error("the engine has not started");
  return {
    address,
    pids: cluster.nodes.flatMap(({ pid }) => pid ?? []),
    connect: () => node.connect(),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
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

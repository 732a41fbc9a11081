/**
 * The tier that the servers of a suite are on, where MESH_TEST_TIER names an engine: the servers that a test starts begin with an empty
 * one. With MESH_TEST_TIER_SERVERS what is one server to the test is so many, over as many primaries.
 */
import type { TierStore } from "../../src/tier/tier-store.ts";
import { EngineCluster } from "./engine/engine-cluster.ts";
import { ENGINES, requireEngine } from "./engine/programs.ts";
import { tierStoreOver } from "./tier-server.ts";

const named = ENGINES.find((engine) => engine === process.env.MESH_TEST_TIER);

/** Undefined: without a tier. */
export const testTier = named !== undefined && requireEngine(named) ? named : undefined;

export const testTierServers = Number(process.env.MESH_TEST_TIER_SERVERS ?? 1);

/** How many stores on it this process has started, and not closed. */
export const tierUse = { started: 0, open: 0 };

let cluster: Promise<EngineCluster> | undefined;

export async function startTestTier(stores: number): Promise<readonly TierStore[]> {
  if (testTier === undefined) throw new Error("the suite has no tier");
  cluster ??= EngineCluster.start({ engine: testTier, primaries: testTierServers });
  const { nodes, addresses } = await cluster;
  for (const node of nodes) {
    await using connection = await node.connect();
    await connection.call("FLUSHALL");
  }
  const started = Array.from({ length: stores }, () => tierStoreOver(addresses));
  await Promise.all(started.map((store) => store.start()));
  tierUse.started += stores;
  tierUse.open += stores;
  return started;
}

export function closeTestTier(store: TierStore): void {
  store.close();
  tierUse.open -= 1;
}

/** Ends the engine after the suite. */
export async function stopTestTier(): Promise<void> {
  await (await cluster)?.[Symbol.asyncDispose]();
  cluster = undefined;
}

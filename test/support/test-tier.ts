/** The tier that the servers of a suite are on, where MESH_TEST_TIER says so: each server begins with an empty one. */

import type { TierStore } from "../../src/tier/tier-store.ts";
import { EngineCluster } from "./engine/engine-cluster.ts";
import { requireEngine } from "./engine/programs.ts";
import { tierStoreOver } from "./tier-server.ts";

export const testTier = process.env.MESH_TEST_TIER === "on" && requireEngine("redis");

let cluster: Promise<EngineCluster> | undefined;

export async function startTestTier(): Promise<TierStore> {
  cluster ??= EngineCluster.start({ engine: "redis" });
  const { nodes, addresses } = await cluster;
  for (const node of nodes) {
    await using connection = await node.connect();
    await connection.call("FLUSHALL");
  }
  const store = tierStoreOver(addresses);
  await store.start();
  return store;
}

/** Ends the engine after the suite. */
export async function stopTestTier(): Promise<void> {
  await (await cluster)?.[Symbol.asyncDispose]();
  cluster = undefined;
}

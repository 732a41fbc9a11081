/** What a seed decides of a run on the tier, beside what it decides of every run. */
import type { Rng } from "../../../src/common/random.ts";
import { between, createPlan, type FaultKind, type Plan, pick, rngFor } from "../plan.ts";
import type { ClusterSettings } from "./engine-cluster.ts";

export const tierFaultKinds = [
  "killPrimary",
  "killAndRestart",
  "pauseNode",
  "isolateNode",
  "switchOver",
  "thereAndBack",
  "flush",
  "lag",
  "lostPushes",
  "resetLinks",
  "holdLink",
  "moving",
  "full",
  "reloadLibrary",
  "pauseServer",
  "killServer",
  "drainServer",
] as const;
export type TierFaultKind = (typeof tierFaultKinds)[number];

/** Faults of clients and of their network. Those of the embedded server have no part here. */
const CLIENT_FAULTS: readonly FaultKind[] = [
  ...(["partitionUp", "partitionDown", "partition", "reset", "silence", "pauseClient"] as const),
  ...(["slowReader", "slowNetwork", "drain", "crashClient"] as const),
];

export interface TierPlan {
  readonly plan: Plan;
  readonly servers: number;
  readonly cluster: ClusterSettings;
  readonly faults: number;
  readonly kinds: readonly TierFaultKind[];
}

export function createTierPlan(seed: number): TierPlan {
  const rng = rngFor(seed, 40);
  const base = createPlan(seed);
  const kinds =
    rng.fraction() < 0.3
      ? tierFaultKinds
      : [pick(rng, tierFaultKinds), pick(rng, tierFaultKinds), pick(rng, tierFaultKinds)];
  const clientFaults = base.faultKinds.filter((kind) => CLIENT_FAULTS.includes(kind));
  return {
    plan: {
      ...base,
      twoStores: false,
      workMs: between(rng, 3_000, 6_000),
      logMaxEvents: pick(rng, [16, 64, 1_024]),
      // A failover takes longer than the shortest deadlines.
      deadlineMs: Math.max(600, base.deadlineMs),
      clients: between(rng, 2, 3),
      faults: clientFaults.length === 0 ? 0 : pick(rng, [0, 0, 2, 4]),
      faultKinds: clientFaults.length === 0 ? ["reset"] : clientFaults,
    },
    servers: pick(rng, [2, 3]),
    cluster: clusterOf(rng),
    faults: between(rng, 1, 6),
    kinds,
  };
}

function clusterOf(rng: Rng): ClusterSettings {
  return {
    groups: 3,
    shards: pick(rng, [3, 4, 6]),
    nodeTimeoutMs: pick(rng, [200, 500, 1_000]),
    latencyMs: 1,
    jitterMs: pick(rng, [0, 1, 5]),
    lagMs: pick(rng, [0, 2, 20]),
    pushesFirst: rng.fraction() < 0.5,
    snapshotMs: pick(rng, [200, 1_000]),
    seed: rng.uint64(),
  };
}

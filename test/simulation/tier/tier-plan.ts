/** What a seed decides of a run on the tier, beside what it decides of every run. */
import type { Rng } from "../../../src/common/random.ts";
import { between, chance, createPlan, type FaultKind, type Plan, pick, rngFor } from "../plan.ts";
import type { ClusterSettings } from "./engine-cluster.ts";

export const tierFaultKinds = [
  "killPrimary",
  "killAndRestart",
  "pauseNode",
  "sleepThroughElection",
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

/** A server and clients that wait for longer than an election takes. The second is the default of clients. */
const PATIENT_OPERATION_MAX_MS = 4_000;
const PATIENT_SILENCE_MAX_MS = 3_000;
const OPERATION_MAX_MS = 1_000;

/** Until the outcome of an election is known to a node: as the bus brings it, and as it comes to nodes that are busy. */
const SOON_MS: ClusterSettings["newsMs"] = [1, 40];
const LATE_MS: ClusterSettings["newsMs"] = [30, 200];

export interface TierPlan {
  readonly plan: Plan;
  /** Each with the time that it waits for an answer of the engine. */
  readonly servers: readonly { readonly operationMaxMs: number }[];
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
  const rngOfPatience = rngFor(seed, 49);
  const hasSleeper = kinds.includes("sleepThroughElection");
  const isPatient = chance(rngOfPatience, 0.4) || hasSleeper;
  const clientFaults = base.faultKinds.filter((kind) => CLIENT_FAULTS.includes(kind));
  return {
    plan: {
      ...base,
      twoStores: false,
      workMs: between(rng, 3_000, 6_000),
      logMaxEvents: pick(rng, [16, 64, 1_024]),
      // A failover takes longer than the shortest deadlines.
      deadlineMs: Math.max(600, base.deadlineMs),
      // Only a read shows what a sleeper answers: what changes something is answered when a majority has agreed.
      readShare: hasSleeper ? Math.max(0.5, base.readShare) : base.readShare,
      silenceMaxMs: isPatient ? PATIENT_SILENCE_MAX_MS : base.silenceMaxMs,
      clients: between(rng, 2, 3),
      faults: clientFaults.length === 0 ? 0 : pick(rng, [0, 0, 2, 4]),
      faultKinds: clientFaults.length === 0 ? ["reset"] : clientFaults,
    },
    servers: serversOf(rngOfPatience, pick(rng, [2, 3]), isPatient),
    cluster: clusterOf(rng, rngFor(seed, 50), rngFor(seed, 51)),
    faults: between(rng, 1, 6),
    kinds,
  };
}

function serversOf(rng: Rng, count: number, isPatient: boolean): TierPlan["servers"] {
  const patient = isPatient ? between(rng, 0, count - 1) : undefined;
  return Array.from({ length: count }, (_, index) => ({
    operationMaxMs: index === patient ? PATIENT_OPERATION_MAX_MS : OPERATION_MAX_MS,
  }));
}

function clusterOf(rng: Rng, rngOfNotice: Rng, rngOfNews: Rng): ClusterSettings {
  return {
    groups: 3,
    shards: pick(rng, [3, 4, 6]),
    nodeTimeoutMs: pick(rng, [200, 500, 1_000]),
    latencyMs: 1,
    jitterMs: pick(rng, [0, 1, 5]),
    lagMs: pick(rng, [0, 2, 20]),
    pushesFirst: rng.fraction() < 0.5,
    snapshotMs: pick(rng, [200, 1_000]),
    lateNotice: pick(rngOfNotice, [0, 0.5, 1]),
    newsMs: pick(rngOfNews, [SOON_MS, SOON_MS, LATE_MS]),
    seed: rng.uint64(),
  };
}

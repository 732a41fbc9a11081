/** What a seed decides before the run begins: sizes, options and probabilities. It decides the rest during the run. */
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import type { StoreEngine } from "../../src/store/engine/create-store.ts";

export interface Plan {
  readonly seed: number;
  readonly clients: number;
  /** Concurrent programs in each client. */
  readonly programs: number;
  readonly workMs: number;
  readonly thinkMs: number;
  /**
   * Share of operations that are plain reads, in addition to those of the mix. A key that is only read keeps
   * an error visible.
   */
  readonly readShare: number;
  /** Entries that one slice of the sweep visits. */
  readonly sweepMaxEntries: number;
  readonly engine: StoreEngine;
  /** How many threads share the store, with the engine that supports it. */
  readonly threads: number;
  readonly shards: number;
  /** A small log is overrun, which causes gaps. */
  readonly logMaxEvents: number;
  readonly frameMaxEvents: number;
  readonly highWaterFrames: number;
  /** The delay between an event and its delivery by the server, in which other frames are sent. */
  readonly turnMs: number;
  readonly readsTogether: number;
  readonly encodes: boolean;
  /** Of a client: with more names, its queued invalidations become a clear. */
  readonly queuedInvalidationsMaxNames: number;
  /** Clients open their namespace, and so their subscription, only at its first use. */
  readonly opensLate: boolean;
  /** Clients close and open namespaces, also the one with the keys, about this often. 0: they do not. */
  readonly churnMs: number;
  /** What the server takes in one subscription: few make the clients widen their selectors. */
  readonly selectorsMax: number;
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly leaseMs: number;
  readonly pingMs: number;
  readonly silenceMaxMs: number;
  readonly deadlineMs: number;
  readonly ttlMs: number;
  readonly staleMs: number;
  /** 0: nothing is served in an outage. */
  readonly outageTtlMs: number;
  /** How long loads take, at most. */
  readonly loadMs: number;
  readonly revalidateJitterMs: number;
  /** A snapshot that is older is not loaded. */
  readonly snapshotMaxAgeMs: number;
  /** A second server is behind the same addresses for a while, and nothing else happens. */
  readonly twoStores: boolean;
  readonly faults: number;
  readonly faultKinds: readonly FaultKind[];
}

export const faultKinds = [
  "partitionUp",
  "partitionDown",
  "partition",
  "reset",
  "silence",
  "pauseClient",
  "pauseServer",
  "restart",
  "powerLoss",
  "cleanRestart",
  "restoredCopy",
  "spoiltSnapshot",
  "otherSettings",
  "slowReader",
  "slowNetwork",
  "drain",
  "crashClient",
  "suspendClient",
  "suspendServer",
  "setWallOfClient",
  "setWallOfServer",
] as const;
export type FaultKind = (typeof faultKinds)[number];

export const pick = <Item>(rng: Rng, items: readonly Item[]): Item => {
  const item = items[Math.floor(rng.fraction() * items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
};
export const between = (rng: Rng, min: number, max: number): number =>
  min + Math.floor(rng.fraction() * (max - min + 1));
export const chance = (rng: Rng, share: number): boolean => rng.fraction() < share;

/** Each purpose has a generator of its own, so that one more draw for one purpose changes no other. */
export const rngFor = (seed: number, purpose: number): Rng =>
  createSeededRng(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(purpose + 1, 0x85ebca6b));

export function createPlan(seed: number): Plan {
  const rng = rngFor(seed, 0);
  // A run with few kinds of faults has more of each, so that faults of one kind overlap.
  const kinds = chance(rng, 0.3) ? [...faultKinds] : [pick(rng, faultKinds), pick(rng, faultKinds)];
  const ttlMs = pick(rng, [0, 150, 600, 5_000]);
  const threads = pick(rngFor(seed, 8), [1, 3]);
  const namespaces = rngFor(seed, 11);
  const churnMs = chance(namespaces, 0.35) ? pick(namespaces, [10, 40, 200]) : 0;
  const turnMs = pick(rngFor(seed, 9), [0, 0, 3, 15]);
  return {
    seed,
    clients: between(rng, 2, 4),
    programs: between(rng, 2, 3),
    workMs: between(rng, 1_500, 4_000),
    thinkMs: pick(rng, [5, 25, 60, 250]),
    readShare: pick(rng, [0, 0.5, 0.85]),
    sweepMaxEntries: pick(rng, [1, 2, 16]),
    engine: pick(rng, ["lru", "offheap"]),
    threads,
    turnMs,
    shards: pick(rng, [1, 2, 4]),
    logMaxEvents: pick(rng, [4, 16, 65_536]),
    frameMaxEvents: pick(rng, [1, 3, 512]),
    highWaterFrames: pick(rng, [2, 8, 64]),
    readsTogether: pick(rng, [0, 0.5, 1]),
    encodes: chance(rng, 0.25),
    outageTtlMs: pick(rngFor(seed, 11), [0, 0, 300, 2_000]),
    queuedInvalidationsMaxNames: pick(rngFor(seed, 10), [1, 3, 16_384, 16_384]),
    opensLate: chance(rngFor(seed, 7), 0.3),
    churnMs,
    selectorsMax: churnMs === 0 ? 64 : pick(namespaces, [1, 2, 4, 64]),
    latencyMs: between(rng, 1, 8),
    jitterMs: pick(rng, [0, 4, 40]),
    leaseMs: pick(rng, [400, 1_000]),
    pingMs: pick(rng, [50, 150]),
    silenceMaxMs: pick(rngFor(seed, 10), [200, 600]),
    deadlineMs: pick(rng, [200, 600, 1_500]),
    ttlMs,
    staleMs: ttlMs === 0 ? 0 : pick(rng, [0, 500]),
    loadMs: pick(rng, [10, 60, 250]),
    revalidateJitterMs: pick(rng, [0, 200]),
    snapshotMaxAgeMs: pick(rngFor(seed, 13), [300, 600_000, 600_000]),
    twoStores: chance(rngFor(seed, 12), 0.04),
    faults: chance(rng, 0.15) ? 0 : between(rng, 1, 6),
    faultKinds: kinds,
  };
}

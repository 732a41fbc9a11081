/** Everything that a seed decides before the run begins: sizes, options and odds. The rest it decides on the way. */
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import type { StoreEngine } from "../../src/store/engine/create-store.ts";

export interface Plan {
  readonly seed: number;
  readonly clients: number;
  /** Concurrent programs in each client. */
  readonly programs: number;
  readonly workMs: number;
  readonly thinkMs: number;
  /** Share of operations that are plain reads, beside those of the mix: quiet keys keep what went wrong with them. */
  readonly readShare: number;
  /** Entries that one slice of the sweep visits. */
  readonly sweepMaxEntries: number;
  readonly engine: StoreEngine;
  /** How many have the store, with the engine that several can have. */
  readonly threads: number;
  readonly shards: number;
  /** Small ones overrun, and make gaps. */
  readonly logMaxEvents: number;
  readonly frameMaxEvents: number;
  readonly highWaterFrames: number;
  /** After an event, until the server has its turn to tell who listens: other frames come in between. */
  readonly turnMs: number;
  readonly readsTogether: number;
  readonly encodes: boolean;
  /** Clients open their namespace, and with it their subscription, only when they first use it. */
  readonly opensLate: boolean;
  readonly latencyMs: number;
  readonly jitterMs: number;
  readonly leaseMs: number;
  readonly pingMs: number;
  readonly deadlineMs: number;
  readonly ttlMs: number;
  readonly staleMs: number;
  /** How long loads take, at most. */
  readonly loadMs: number;
  readonly revalidateJitterMs: number;
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
  "slowReader",
  "slowNetwork",
  "drain",
  "crashClient",
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

/** A random number generator of its own for each purpose, so that one more draw here changes nothing there. */
export const rngFor = (seed: number, purpose: number): Rng =>
  createSeededRng(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(purpose + 1, 0x85ebca6b));

export function createPlan(seed: number): Plan {
  const rng = rngFor(seed, 0);
  // Few kinds in one run go deeper than all of them: they meet themselves.
  const kinds = chance(rng, 0.3) ? [...faultKinds] : [pick(rng, faultKinds), pick(rng, faultKinds)];
  const ttlMs = pick(rng, [0, 150, 600, 5_000]);
  const threads = pick(rngFor(seed, 8), [1, 3]);
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
    opensLate: chance(rngFor(seed, 7), 0.3),
    latencyMs: between(rng, 1, 8),
    jitterMs: pick(rng, [0, 4, 40]),
    leaseMs: pick(rng, [400, 1_000]),
    pingMs: pick(rng, [50, 150]),
    deadlineMs: pick(rng, [200, 600, 1_500]),
    ttlMs,
    staleMs: ttlMs === 0 ? 0 : pick(rng, [0, 500]),
    loadMs: pick(rng, [10, 60, 250]),
    revalidateJitterMs: pick(rng, [0, 200]),
    faults: chance(rng, 0.15) ? 0 : between(rng, 1, 6),
    faultKinds: kinds,
  };
}

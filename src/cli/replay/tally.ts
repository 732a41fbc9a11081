/** The counters of a replay by calls. */
import { createLatencies, type Latencies } from "./latencies.ts";
import type { Verdict } from "./payload.ts";

const CALL_KINDS = ["get", "fill", "invalidate"] as const;
export type CallKind = (typeof CALL_KINDS)[number];

export interface ReplayCounts {
  accesses: number;
  reads: number;
  hits: number;
  misses: number;
  /** Values that were checked: hits, and values from another reader's fill. */
  checked: number;
  stale: number;
  wrong: number;
  filled: number;
  /** Fills whose lease was ended by an invalidation. */
  lost: number;
  /** Fills that the cache refused for lack of room. */
  refused: number;
  /** Misses that were answered by another reader's fill. */
  shared: number;
  /** Misses that were not filled, since another reader held the lease. */
  bypassed: number;
  keyWrites: number;
  tagWrites: number;
}

export interface ReplayTally {
  readonly counts: Readonly<ReplayCounts>;
  /** The latencies of calls. An operation of a batch has the latency of its batch. */
  readonly latencies: Latencies<CallKind>;
  read(verdict: Verdict): void;
  hit(): void;
  missed(): void;
  filled(): void;
  lost(): void;
  refused(): void;
  shared(): void;
  bypassed(): void;
  wrote(byTag: boolean): void;
  done(accesses: number): void;
}

export function createTally(onProgress: (counts: Readonly<ReplayCounts>) => void = () => {}): ReplayTally {
  const counts: ReplayCounts = {
    accesses: 0,
    reads: 0,
    hits: 0,
    misses: 0,
    checked: 0,
    stale: 0,
    wrong: 0,
    filled: 0,
    lost: 0,
    refused: 0,
    shared: 0,
    bypassed: 0,
    keyWrites: 0,
    tagWrites: 0,
  };
  return {
    counts,
    latencies: createLatencies(CALL_KINDS),
    read(verdict) {
      counts.checked += 1;
      if (verdict === "stale") counts.stale += 1;
      if (verdict === "wrong") counts.wrong += 1;
    },
    hit() {
      counts.reads += 1;
      counts.hits += 1;
    },
    missed() {
      counts.reads += 1;
      counts.misses += 1;
    },
    filled() {
      counts.filled += 1;
    },
    lost() {
      counts.lost += 1;
    },
    refused() {
      counts.refused += 1;
    },
    shared() {
      counts.shared += 1;
    },
    bypassed() {
      counts.bypassed += 1;
    },
    wrote(byTag) {
      if (byTag) counts.tagWrites += 1;
      else counts.keyWrites += 1;
    },
    done(accesses) {
      counts.accesses += accesses;
      onProgress(counts);
    },
  };
}

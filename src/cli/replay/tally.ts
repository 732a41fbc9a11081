/** What a replay counts, and how long its calls took. */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { Verdict } from "./payload.ts";

export type CallKind = "get" | "fill" | "invalidate";

export interface LatencySummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export interface ReplayCounts {
  accesses: number;
  reads: number;
  hits: number;
  misses: number;
  /** Values that were judged: hits, and what another reader's fill gave. */
  checked: number;
  stale: number;
  wrong: number;
  filled: number;
  /** Fills that lost their lease to an invalidation. */
  lost: number;
  /** Fills that the cache had no room for. */
  refused: number;
  /** Misses that another reader's fill answered. */
  shared: number;
  /** Misses that went past the cache, because another reader held the lease. */
  bypassed: number;
  keyWrites: number;
  tagWrites: number;
}

export interface ReplayTally {
  readonly counts: Readonly<ReplayCounts>;
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
  /** One round trip of `ms` that carried `operations`. */
  latency(kind: CallKind, ms: number, operations: number): void;
  latencyOf(kind: CallKind): LatencySummary | undefined;
}

const MS_PER_NS = 1e6;

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
  const histograms: Record<CallKind, RecordableHistogram> = {
    get: createHistogram(),
    fill: createHistogram(),
    invalidate: createHistogram(),
  };
  return {
    counts,
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
    latency(kind, ms, operations) {
      const ns = Math.max(1, Math.round(ms * MS_PER_NS));
      for (let operation = 0; operation < operations; operation += 1) histograms[kind].record(ns);
    },
    latencyOf(kind) {
      const histogram = histograms[kind];
      if (histogram.count === 0) return undefined;
      const at = (percentile: number) => histogram.percentile(percentile) / MS_PER_NS;
      return { p50Ms: at(50), p99Ms: at(99), p999Ms: at(99.9), maxMs: histogram.max / MS_PER_NS };
    },
  };
}

/** What the server does now: rates between two readings of its counters. */
import type {
  ActivityResponse,
  OperationStats,
  StatsResponse,
  WorkerStats,
} from "../../../gen/meshcache/v1/admin_pb.ts";
import { type DurationCounts, durationsBetween, quantileOf, unaryDurations } from "./quantiles.ts";

/** One reading of the counters. */
export interface Reading {
  readonly atMs: number;
  readonly stats: StatsResponse;
  readonly activity: ActivityResponse;
}

/** The numbers of the page's charts. NaN: not known. */
export interface Figures {
  readonly hits: number;
  readonly stale: number;
  readonly misses: number;
  readonly reads: number;
  readonly hitRatio: number;
  readonly sets: number;
  readonly invalidations: number;
  readonly p50S: number;
  readonly p99S: number;
  readonly calls: number;
  readonly bytes: number;
  readonly budgetBytes: number;
  readonly entries: number;
  readonly evictedCapacity: number;
  readonly evictedExpired: number;
  readonly evictedFenced: number;
  readonly subscribers: number;
  readonly lagEvents: number;
  readonly connections: number;
  readonly loopDelayS: number;
}

export interface WorkerFigures {
  readonly worker: number;
  readonly operations: number;
  /** Of all workers' operations: 0 to 1. */
  readonly share: number;
  readonly busy: number;
  readonly loopDelayS: number;
  readonly connections: number;
  readonly openCalls: number;
  readonly subscribers: number;
}

/** Quantiles of single seconds jump; these are of the last seconds together. */
export const QUANTILE_WINDOW_MS = 10_000;

const sum = (values: readonly (bigint | number)[]): number =>
  values.reduce<number>((all, value) => all + Number(value), 0);

const greatest = (values: readonly number[]): number =>
  values.reduce((most, value) => Math.max(most, value), 0);

/** How much a counter grew in a second. NaN when it began anew. */
function perSecond(before: bigint | undefined, after: bigint | undefined, seconds: number): number {
  const grown = Number((after ?? 0n) - (before ?? 0n));
  return seconds > 0 && grown >= 0 ? grown / seconds : Number.NaN;
}

/** `earlier`: a reading from about `QUANTILE_WINDOW_MS` before, for the quantiles. */
export function figuresBetween(before: Reading, after: Reading, earlier: Reading): Figures {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const isSameLife =
    before.stats.epoch === after.stats.epoch && before.stats.uptimeMs <= after.stats.uptimeMs;
  const rate = (read: (stats: OperationStats) => bigint | undefined): number => {
    const [old, now] = [before.stats.operations, after.stats.operations];
    return isSameLife && old && now ? perSecond(read(old), read(now), seconds) : Number.NaN;
  };
  const [hits, stale, misses] = [rate((of) => of.hits), rate((of) => of.staleHits), rate((of) => of.misses)];
  const reads = hits + stale + misses;
  const durations = callsSince(earlier, after);
  const { shards } = after.stats;
  const { workers } = after.activity;
  return {
    hits,
    stale,
    misses,
    reads,
    hitRatio: reads > 0 ? hits / reads : Number.NaN,
    sets: rate((of) => of.sets),
    invalidations: rate(({ invalidations: of }) => of && of.keys + of.tags + of.prefixes + of.all),
    p50S: durations === undefined ? Number.NaN : quantileOf(durations, 0.5),
    p99S: durations === undefined ? Number.NaN : quantileOf(durations, 0.99),
    calls: durations === undefined ? 0 : sum(durations.counts) / ((after.atMs - earlier.atMs) / 1_000),
    bytes: sum(shards.map((shard) => shard.bytes)),
    budgetBytes: sum(shards.map((shard) => shard.budgetBytes)),
    entries: sum(shards.map((shard) => shard.entries)),
    evictedCapacity: rate((of) => of.evictions?.capacity),
    evictedExpired: rate((of) => of.evictions?.expired),
    evictedFenced: rate((of) => of.evictions?.fenced),
    subscribers: Number(after.stats.subscribers),
    lagEvents: greatest(workers.map((worker) => Number(worker.slowestLagEvents))),
    connections: Number(after.stats.connections),
    loopDelayS: workers.length === 0 ? Number.NaN : greatest(workers.map(delayOf)),
  };
}

function callsSince(earlier: Reading, after: Reading): DurationCounts | undefined {
  if (earlier.stats.epoch !== after.stats.epoch) return undefined;
  return durationsBetween(unaryDurations(earlier.activity), unaryDurations(after.activity));
}

const delayOf = (worker: WorkerStats): number => Number(worker.eventLoopDelayP99Us) / 1e6;

/** The workers, with their operations a second since `before`. */
export function workersBetween(before: Reading, after: Reading): WorkerFigures[] {
  const seconds = (after.atMs - before.atMs) / 1_000;
  const old = new Map(before.activity.workers.map((worker) => [worker.worker, worker.operations]));
  const rates = after.activity.workers.map(({ worker, operations }) =>
    perSecond(old.get(worker) ?? operations, operations, seconds),
  );
  const total = rates.reduce((all, rate) => all + (Number.isNaN(rate) ? 0 : rate), 0);
  return after.activity.workers.map((worker, index) => ({
    worker: worker.worker,
    operations: rates[index] ?? Number.NaN,
    share: total > 0 ? (rates[index] ?? 0) / total : 0,
    busy: worker.eventLoopBusy,
    loopDelayS: delayOf(worker),
    connections: Number(worker.connections),
    openCalls: Number(worker.openCalls),
    subscribers: Number(worker.subscribers),
  }));
}

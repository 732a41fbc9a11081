/** The result of a replay, for people and for programs. */
import { toColumns, toCount, toShare } from "../text.ts";
import type { ReplayPlan } from "./cache-aside.ts";
import type { CallKind, LatencySummary, ReplayTally } from "./tally.ts";

export interface ReplayResult {
  readonly plan: ReplayPlan;
  readonly seed: number;
  readonly tally: ReplayTally;
  readonly seconds: number;
}

const KINDS: readonly CallKind[] = ["get", "fill", "invalidate"];

export function toJsonResult({ plan, seed, tally, seconds }: ReplayResult): object {
  const { counts } = tally;
  return {
    trace: plan.trace.name,
    format: plan.trace.format,
    seed,
    concurrency: plan.concurrency,
    batch: plan.batch,
    ...counts,
    hitRatio: counts.reads === 0 ? 0 : counts.hits / counts.reads,
    seconds,
    accessesPerSecond: counts.accesses / seconds,
    latency: Object.fromEntries(KINDS.map((kind) => [kind, tally.latencyOf(kind) ?? null])),
  };
}

export function describeResult({ plan, seed, tally, seconds }: ReplayResult): string {
  const { counts } = tally;
  const perSecond = toCount(Math.round(counts.accesses / seconds));
  const wrong = counts.wrong === 0 ? "" : ` · ${toCount(counts.wrong)} wrong`;
  const rows = [
    [
      "hit ratio",
      toShare(counts.hits, counts.reads),
      `${toCount(counts.hits)} of ${toCount(counts.reads)} reads`,
    ],
    ["throughput", `${perSecond}/s`, `${toCount(counts.accesses)} accesses in ${seconds.toFixed(1)} s`],
    [
      "fills",
      toCount(counts.filled),
      `${toCount(counts.lost)} lost to an invalidation · ${toCount(counts.shared)} shared · ${toCount(counts.bypassed)} bypassed · ${toCount(counts.refused)} refused`,
    ],
    [
      "writes",
      toCount(counts.keyWrites + counts.tagWrites),
      `${toCount(counts.keyWrites)} by key · ${toCount(counts.tagWrites)} by tag`,
    ],
    ["stale reads", toCount(counts.stale), `of ${toCount(counts.checked)} values checked${wrong}`],
  ];
  const latencies = KINDS.flatMap((kind) => {
    const summary = tally.latencyOf(kind);
    return summary === undefined ? [] : [[kind, ...toLatencyCells(summary)]];
  });
  const { trace, concurrency, batch } = plan;
  return [
    `${trace.name} (${trace.format}), seed ${seed}, ${concurrency} in flight, ${batch === 1 ? "one access a call" : `batches of ${batch}`}`,
    "",
    ...toColumns(rows, [1]),
    "",
    ...toColumns([["latency", "p50", "p99", "p99.9", "max"], ...latencies], [1, 2, 3, 4]),
  ].join("\n");
}

function toLatencyCells({ p50Ms, p99Ms, p999Ms, maxMs }: LatencySummary): string[] {
  return [p50Ms, p99Ms, p999Ms, maxMs].map((ms) => `${ms.toFixed(2)} ms`);
}

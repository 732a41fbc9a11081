/** The latencies of a replay, by kind. */
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { toColumns } from "../output/text.ts";

export interface LatencySummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export interface Latencies<Kind extends string> {
  /** Records `ms` for each of `operations`, which were in one call. */
  record(kind: Kind, ms: number, operations?: number): void;
  of(kind: Kind): LatencySummary | undefined;
  /** All kinds; null for one that did not occur. */
  toJson(): Record<string, LatencySummary | null>;
  /** A table of the kinds that occurred. */
  toLines(): string[];
}

const MS_PER_NS = 1e6;

export function createLatencies<Kind extends string>(kinds: readonly Kind[]): Latencies<Kind> {
  const histograms = new Map<Kind, RecordableHistogram>(kinds.map((kind) => [kind, createHistogram()]));
  const of = (kind: Kind): LatencySummary | undefined => {
    const histogram = histograms.get(kind);
    if (histogram === undefined || histogram.count === 0) return undefined;
    const at = (percentile: number) => histogram.percentile(percentile) / MS_PER_NS;
    return { p50Ms: at(50), p99Ms: at(99), p999Ms: at(99.9), maxMs: histogram.max / MS_PER_NS };
  };
  return {
    record(kind, ms, operations = 1) {
      const ns = Math.max(1, Math.round(ms * MS_PER_NS));
      const histogram = histograms.get(kind);
      for (let operation = 0; operation < operations; operation += 1) histogram?.record(ns);
    },
    of,
    toJson: () => Object.fromEntries(kinds.map((kind) => [kind, of(kind) ?? null])),
    toLines() {
      const rows = kinds.flatMap((kind) => {
        const summary = of(kind);
        return summary === undefined ? [] : [[kind, ...toCells(summary)]];
      });
      return toColumns([["latency", "p50", "p99", "p99.9", "max"], ...rows], [1, 2, 3, 4]);
    },
  };
}

function toCells({ p50Ms, p99Ms, p999Ms, maxMs }: LatencySummary): string[] {
  return [p50Ms, p99Ms, p999Ms, maxMs].map((ms) =>
    ms < 0.1 ? `${(1_000 * ms).toFixed(1)} µs` : `${ms.toFixed(2)} ms`,
  );
}

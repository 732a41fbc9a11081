/** The common part of the two kinds of replay: by calls, and through clients. */
import { toColumns, toCount } from "../output/text.ts";
import type { ReplayPlan } from "./plan.ts";

export interface TrafficProgress {
  readonly accesses: number;
  readonly reads: number;
  readonly hits: number;
  readonly stale: number;
}

/** A replay of one trace. */
export interface Traffic {
  /** Resolves at the end of the trace, or after an interruption. Rejects with the first error of the cache. */
  run(): Promise<void>;
  progress(): TrafficProgress;
  /** No read was stale or wrong. */
  coherent(): boolean;
  toJson(seconds: number): object;
  describe(seconds: number): string;
  close(): Promise<void>;
}

/** The plan, for the head of a result. */
export function toJsonPlan({ trace, concurrency }: ReplayPlan, seed: number): object {
  return { trace: trace.name, format: trace.format, seed, concurrency };
}

export function toJsonRates(accesses: number, seconds: number): object {
  return { seconds, accessesPerSecond: seconds === 0 ? 0 : accesses / seconds };
}

/** The result for people: the plan, a table of counters, a table of latencies. */
export function describeTraffic(
  { trace, concurrency }: ReplayPlan,
  seed: number,
  how: string,
  rows: readonly (readonly string[])[],
  latencies: readonly string[],
): string {
  return [
    `${trace.name} (${trace.format}), seed ${seed}, ${concurrency} in flight, ${how}`,
    "",
    ...toColumns(rows, [1]),
    "",
    ...latencies,
  ].join("\n");
}

export function toThroughputRow(accesses: number, seconds: number): string[] {
  const perSecond = toCount(Math.round(accesses / seconds));
  return ["throughput", `${perSecond}/s`, `${toCount(accesses)} accesses in ${seconds.toFixed(1)} s`];
}

export function toWritesRow({ keyWrites, tagWrites }: { keyWrites: number; tagWrites: number }): string[] {
  return [
    "writes",
    toCount(keyWrites + tagWrites),
    `${toCount(keyWrites)} by key · ${toCount(tagWrites)} by tag`,
  ];
}

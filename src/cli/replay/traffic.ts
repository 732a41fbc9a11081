/** What the two ways of replaying a trace, by calls and through clients, have in common. */
import { toColumns, toCount } from "../output/text.ts";
import type { ReplayPlan } from "./cache-aside.ts";

export interface TrafficProgress {
  readonly accesses: number;
  readonly reads: number;
  readonly hits: number;
  readonly stale: number;
}

/** A trace on its way through a cache. */
export interface Traffic {
  /** To the end, or to the interruption. Rejects with the first error of the cache. */
  run(): Promise<void>;
  progress(): TrafficProgress;
  /** No read was stale or wrong. */
  coherent(): boolean;
  toJson(seconds: number): object;
  describe(seconds: number): string;
  close(): Promise<void>;
}

/** What the plan says, for the head of a result. */
export function toJsonPlan({ trace, concurrency }: ReplayPlan, seed: number): object {
  return { trace: trace.name, format: trace.format, seed, concurrency };
}

export function toJsonRates(accesses: number, seconds: number): object {
  return { seconds, accessesPerSecond: seconds === 0 ? 0 : accesses / seconds };
}

/** The result for people: what was run, a table of what came of it, a table of how long it took. */
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

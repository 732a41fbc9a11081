/** Measures what an overloaded server answers in time, beside what it answers at its best (A8). */
import { setTimeout as pause } from "node:timers/promises";
import { startServerProcess } from "../fuzz/server-process.ts";
import { faultsOf, median } from "./measurement.ts";
import { burn, run } from "./processes.ts";
import { steady } from "./processor-course.ts";

export const LOAD_KINDS = ["unary", "exchange"] as const;
type LoadKind = (typeof LOAD_KINDS)[number];

interface Load {
  readonly goodPerSecond: number;
  readonly cpuShare: number;
}

export interface GoodputOptions {
  readonly workers: number;
  /** Arguments of `serve`. */
  readonly settings: readonly string[];
  readonly windows: number;
  readonly windowS: number;
  readonly overloadS: number;
  /** How many times what it answers at its best is offered. */
  readonly overload: number;
  readonly connections: number;
}

export interface Goodput {
  readonly goodPerSecond: number;
  readonly bestPerSecond: number;
  /** Of what it answers at its best: 0 to 1. */
  readonly share: number;
  readonly faults: readonly string[];
}

const REST_MS = 1_000;

export async function measureGoodput(kind: LoadKind, options: GoodputOptions): Promise<Goodput> {
  const { workers, settings, windows, windowS, overloadS, overload, connections } = options;
  const server = await startServerProcess(workers, { settings });
  const load = (seconds: number, rate: number) =>
    run<Load>("load", kind, server.port, seconds, connections, Math.round(rate));
  await run("polite", server.port, 1);
  await load(2, 0);
  const best: number[] = [];
  const good: number[] = [];
  for (let window = 0; window < windows && server.ended === undefined; window++) {
    const alone = await load(windowS, 0);
    const peak = best.at(-1) ?? alone?.goodPerSecond ?? 0;
    const overloaded = await load(overloadS, overload * peak);
    await pause(REST_MS);
    // The same again, with as much processor time taken away as the greater load took.
    const burnt = Math.max(0, (overloaded?.cpuShare ?? 0) - (alone?.cpuShare ?? 0));
    const [control] = await Promise.all([load(windowS, 0), burn([steady(burnt, windowS)])]);
    good.push(overloaded?.goodPerSecond ?? 0);
    best.push(control?.goodPerSecond ?? 0);
  }
  const faults = await faultsOf(server);
  await server.stop();
  return {
    goodPerSecond: median(good),
    bestPerSecond: median(best),
    share: median(good.map((rate, window) => rate / (best[window] ?? Number.NaN))),
    faults,
  };
}

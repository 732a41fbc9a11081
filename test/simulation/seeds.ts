/** Runs many seeds, in this thread or in worker threads, and adds up what was checked. */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { runSeed, type SeedReport } from "./simulation.ts";
import { runTierSeed } from "./tier/tier-simulation.ts";

/** A run that broke a promise, in a form that can be sent between threads. */
export interface Failure {
  readonly seed: number;
  readonly check: string;
  readonly message: string;
}

export interface Outcome {
  readonly seeds: number;
  readonly counts: SeedReport["counts"];
  /** One for each seed that failed, the lowest seed first. */
  readonly failures: readonly Failure[];
}

export interface SeedRange {
  readonly from: number;
  readonly seeds: number;
  /** Runs every `step`-th seed, beginning with `from`, so that threads can share a range. */
  readonly step: number;
  /** End at the first failure. */
  readonly stopAtFirst: boolean;
  /** On the shared tier. Default: one server with an embedded store. */
  readonly isTier?: boolean;
}

const nothing: SeedReport["counts"] = {
  nearReads: 0,
  remoteReads: 0,
  originReads: 0,
  registerOperations: 0,
  undecided: 0,
  increments: 0,
  listings: 0,
  restarts: 0,
  continued: 0,
  forks: 0,
  gaps: 0,
  retries: 0,
  queued: 0,
  tasks: 0,
};

const sum = (one: SeedReport["counts"], other: SeedReport["counts"]): SeedReport["counts"] => ({
  nearReads: one.nearReads + other.nearReads,
  remoteReads: one.remoteReads + other.remoteReads,
  originReads: one.originReads + other.originReads,
  registerOperations: one.registerOperations + other.registerOperations,
  undecided: one.undecided + other.undecided,
  increments: one.increments + other.increments,
  listings: one.listings + other.listings,
  restarts: one.restarts + other.restarts,
  continued: one.continued + other.continued,
  forks: one.forks + other.forks,
  gaps: one.gaps + other.gaps,
  retries: one.retries + other.retries,
  queued: one.queued + other.queued,
  tasks: one.tasks + other.tasks,
});

/** `begins` is told of each seed just before it runs. */
export async function runSeeds(
  { from, seeds, step, stopAtFirst, isTier = false }: SeedRange,
  begins: (seed: number) => void = () => undefined,
): Promise<Outcome> {
  let counts = nothing;
  let run = 0;
  const failures: Failure[] = [];
  for (let seed = from; seed < from + seeds; seed += step) {
    begins(seed);
    const report = await (isTier ? runTierSeed(seed) : runSeed(seed));
    run += 1;
    counts = sum(counts, report.counts);
    const [first] = report.violations;
    if (first === undefined) continue;
    failures.push({ seed, check: first.check, message: first.message });
    if (stopAtFirst) break;
  }
  return { seeds: run, counts, failures };
}

/** As `runSeeds`, in `threads` threads. */
export async function runSeedsInThreads(range: SeedRange, threads: number): Promise<Outcome> {
  const outcomes = await Promise.all(
    Array.from({ length: threads }, (_, index) =>
      runInWorker({ ...range, from: range.from + index, seeds: range.seeds - index, step: threads }),
    ),
  );
  return outcomes.reduce((one, other) => ({
    seeds: one.seeds + other.seeds,
    counts: sum(one.counts, other.counts),
    failures: [...one.failures, ...other.failures].sort((a, b) => a.seed - b.seed),
  }));
}

/** What a worker says: which seed it begins, or at last what came out. */
type Message = { readonly begins: number } | Outcome;

/** Time in which the whole process was stopped does not count: it has one tick. */
const TICK_MS = 1_000;

/** `entry` is this file, or its copy beside a copy of the modules. A seed that takes longer than `hangMs` has failed. */
export function runInWorker(
  range: SeedRange,
  entry = new URL(import.meta.url),
  hangMs = Number.POSITIVE_INFINITY,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(entry, { workerData: range });
    let ticking: NodeJS.Timeout | undefined;
    let begun = 0;
    const end = (settle: () => void): void => {
      clearInterval(ticking);
      settle();
    };
    const begins = (seed: number): void => {
      clearInterval(ticking);
      begun += 1;
      if (hangMs === Number.POSITIVE_INFINITY) return;
      let leftMs = hangMs;
      ticking = setInterval(() => {
        leftMs -= TICK_MS;
        if (leftMs > 0) return;
        clearInterval(ticking);
        worker.terminate().catch(reject);
        const failure = { seed, check: "hang", message: `no end after ${hangMs} ms` };
        resolve({ seeds: begun, counts: nothing, failures: [failure] });
      }, TICK_MS);
    };
    worker.on("message", (message: Message) => {
      if ("begins" in message) begins(message.begins);
      else end(() => resolve(message));
    });
    worker.once("error", (error) => end(() => reject(error)));
    worker.once("exit", (code) =>
      end(() => reject(new Error(`a thread of the simulation ended with ${code}`))),
    );
  });
}

const isSeedRange = (data: unknown): data is SeedRange =>
  typeof data === "object" && data !== null && "stopAtFirst" in data;

// This file is also the entry of its worker threads.
if (!isMainThread && isSeedRange(workerData)) {
  const tell = (message: Message) => parentPort?.postMessage(message);
  tell(await runSeeds(workerData, (seed) => tell({ begins: seed })));
}

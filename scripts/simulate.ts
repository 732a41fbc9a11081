/**
 * Runs the coherence simulation: `--seeds N [--from S]` runs many seeds, `--seed S` replays one seed and prints the
 * history around its first violation. `--tier` runs several servers on a modelled engine.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { runSeedsInThreads } from "../test/simulation/seeds.ts";
import { runSeed, type SeedReport } from "../test/simulation/simulation.ts";
import { runTierSeed } from "../test/simulation/tier/tier-simulation.ts";

const LINES_BEFORE = 80;
const LINES_AFTER = 10;
const FAILURES_SHOWN = 20;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "0" },
    seed: { type: "string" },
    threads: { type: "string", default: String(Math.min(availableParallelism(), 8)) },
    lines: { type: "string", default: String(LINES_BEFORE) },
    "stop-at-first": { type: "boolean", default: false },
    tier: { type: "boolean", default: false },
  },
});

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} must be a whole number`);
  return value;
}

async function replay(seed: number): Promise<boolean> {
  const report = await (values.tier ? runTierSeed(seed) : runSeed(seed));
  for (const line of report.trace(wholeNumber("lines", values.lines), LINES_AFTER)) console.log(line);
  console.log(`\nseed ${seed}, history ${report.hash}, ${JSON.stringify(report.counts)}`);
  for (const { atMs, check, message } of report.violations) console.log(`${atMs} ms  ${check}: ${message}`);
  return report.violations.length === 0;
}

function begins({ restarts, continued, forks }: SeedReport["counts"]): string {
  if (values.tier) return `${forks} elections, ${restarts} claims of shards after the first`;
  return `${restarts} restarts, ${continued} continued, ${forks} forks`;
}

async function runMany(): Promise<boolean> {
  const seeds = wholeNumber("seeds", values.seeds);
  const from = wholeNumber("from", values.from);
  const threads = Math.max(1, Math.min(seeds, wholeNumber("threads", values.threads)));
  const begunMs = performance.now();
  const range = { from, seeds, step: 1, stopAtFirst: values["stop-at-first"], isTier: values.tier };
  const outcome = await runSeedsInThreads(range, threads);
  const seconds = (performance.now() - begunMs) / 1_000;
  const { counts, failures } = outcome;
  console.log(
    `${outcome.seeds} seeds from ${from} in ${seconds.toFixed(1)} s on ${threads} threads: ` +
      `${counts.nearReads} near and ${counts.remoteReads} remote reads, ${counts.originReads} of origin rows, ` +
      `${counts.registerOperations} operations put in order (${counts.undecided} keys undecided), ${counts.increments} increments, ${counts.listings} listings, ` +
      `${begins(counts)}, ${counts.gaps} gaps, ${counts.retries} retries, ${counts.queued} queued invalidations`,
  );
  for (const { seed, check, message } of failures.slice(0, FAILURES_SHOWN)) {
    console.log(
      `seed ${seed}  ${check}: ${message}\n    replay: npm run simulate -- ${values.tier ? "--tier " : ""}--seed ${seed}`,
    );
  }
  console.log(`${failures.length} seeds with violations`);
  return failures.length === 0 && counts.undecided === 0;
}

const fine = values.seed === undefined ? await runMany() : await replay(wholeNumber("seed", values.seed));
process.exitCode = fine ? 0 : 1;

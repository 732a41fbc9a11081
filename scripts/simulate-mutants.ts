/**
 * Plants each bug of test/simulation/mutants.ts in a copy of the real modules and runs the simulation, or the test
 * that the bug names. Prints what caught the bug, and fails when nothing did. `--only TEXT` takes the bugs whose name
 * contains the text, `--seeds N [--from S]` tries so many seeds, or more where a bug says that it needs them, in `--threads N`
 * threads. `--tier` plants those of the shared tier, test/simulation/tier/mutants.ts.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { type Mutant, mutants } from "../test/simulation/mutants.ts";
import {
  fileOfTest,
  pathOfPart,
  plantAll,
  plantInPart,
  readModules,
  readTests,
} from "../test/simulation/planting.ts";
import { type Outcome, runInWorker } from "../test/simulation/seeds.ts";
import { tierMutants } from "../test/simulation/tier/mutants.ts";
import { type Catch, type Trial, Trials, type Try } from "../test/simulation/trials.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "3000" },
    from: { type: "string", default: "0" },
    only: { type: "string", default: "" },
    threads: { type: "string", default: String(Math.min(availableParallelism(), 4)) },
    tier: { type: "boolean", default: false },
  },
});

/** A seed takes some tenths of a second, on a machine that does nothing else. */
const HANG_MS = 120_000;
const PROGRESS_MS = 60_000;

/** Copies of what the simulation runs, each with its bug. Outside node_modules, where no types would be stripped. */
class Copies {
  readonly #root = mkdtempSync(join(tmpdir(), "meshcache-mutants-"));
  readonly #planted = new Map<Mutant, string>();
  /** Copied once, so that edits of the repository during the run change nothing. */
  readonly original = this.#copy("original", process.cwd());
  readonly modules = readModules(this.original);
  readonly tests = readTests(this.original);

  of(mutant: Mutant): string {
    const known = this.#planted.get(mutant);
    if (known !== undefined) return known;
    const folder = this.#copy(String(all.indexOf(mutant)), this.original);
    for (const { path, text } of plantAll(this.modules, mutant.edits))
      writeFileSync(join(folder, path), text);
    const { inLibrary } = mutant;
    if (inLibrary !== undefined) {
      const path = join(folder, pathOfPart(inLibrary.inPart));
      writeFileSync(path, plantInPart(readFileSync(path, "utf8"), inLibrary));
    }
    this.#planted.set(mutant, folder);
    return folder;
  }

  delete(mutant: Mutant): void {
    rmSync(this.of(mutant), { recursive: true, force: true });
    this.#planted.delete(mutant);
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }

  #copy(name: string, source: string): string {
    const folder = join(this.#root, name);
    for (const part of ["src", "gen", "proto", "test", "package.json", "vitest.config.ts"]) {
      cpSync(join(source, part), join(folder, part), { recursive: true });
    }
    symlinkSync(join(process.cwd(), "node_modules"), join(folder, "node_modules"));
    return folder;
  }
}

const all = values.tier ? tierMutants : mutants;
using copies = new Copies();
const wanted = all.filter(({ name }) => name.includes(values.only));
const trials = new Trials(wanted, Number(values.from), Number(values.seeds));
const running = new Set<Try>();
/** Seeds that fail without any bug, so that they catch none. */
const failing = new Set<number>();

function simulate(folder: string, from: number, seeds: number): Promise<Outcome> {
  const entry = pathToFileURL(join(folder, "test/simulation/seeds.ts"));
  return runInWorker({ from, seeds, step: 1, stopAtFirst: true, isTier: values.tier }, entry, HANG_MS);
}

async function runSeeds({ trial, from, seeds }: Try): Promise<Catch | undefined> {
  for (let next = from; next < from + seeds; ) {
    const { failures } = await simulate(copies.of(trial.mutant), next, from + seeds - next);
    const [first] = failures;
    if (first === undefined) return undefined;
    const without = await simulate(copies.original, first.seed, 1);
    if (without.failures.length === 0) return { by: first.check, seed: first.seed, message: first.message };
    failing.add(first.seed);
    next = first.seed + 1;
  }
  return undefined;
}

/** A test that fails has caught it. Another outcome, such as a run without tests, has not. */
function runTest(mutant: Mutant, title: string): Promise<Catch | undefined> {
  const file = fileOfTest(copies.tests, title);
  const runner = join(process.cwd(), "node_modules/vitest/vitest.mjs");
  // A test of a table has its rows in its title.
  const pattern = title.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&").replaceAll(/%[sdi]/g, ".*");
  const vitest = spawn(process.execPath, [runner, "run", "--project", "meshcache", file, "-t", pattern], {
    cwd: copies.of(mutant),
  });
  let output = "";
  vitest.stdout.on("data", (text) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    vitest.once("error", reject);
    vitest.once("close", (code) => {
      const failed = code === 1 && /Tests .*\d failed/.test(stripVTControlCharacters(output));
      resolve(failed ? { by: file, seed: undefined, message: title } : undefined);
    });
  });
}

async function run(one: Try): Promise<void> {
  const { mutant } = one.trial;
  const begunMs = performance.now();
  running.add(one);
  const caught = await (mutant.test === undefined ? runSeeds(one) : runTest(mutant, mutant.test));
  running.delete(one);
  if (!trials.done(one, caught, (performance.now() - begunMs) / 1_000)) return;
  copies.delete(mutant);
  print(one.trial);
}

function print({ mutant, seeds, caught, seconds }: Trial): void {
  const [line = ""] = caught?.message.split("\n") ?? [];
  const seed = caught === undefined ? `none of ${seeds}` : (caught.seed ?? "a test");
  const cells = [mutant.name, caught?.by ?? "GOT AWAY", seed, seconds.toFixed(0), line.slice(0, 140)];
  console.log(`| ${cells.join(" | ")} |`);
}

function printProgress(): void {
  const caught = trials.all.filter((trial) => trial.caught !== undefined).length;
  const now = [...running].map(({ trial, from }) => `${trial.mutant.name} (from seed ${from})`);
  console.error(`${caught} of ${wanted.length} caught; now ${now.join(", ")}`);
}

console.log("| mutant | caught by | seed | seconds | what it said |\n|---|---|---|---|---|");
const progress = setInterval(printProgress, PROGRESS_MS);
try {
  await Promise.all(
    Array.from({ length: Number(values.threads) }, async () => {
      for (let one = trials.next(); one !== undefined; one = trials.next()) await run(one);
    }),
  );
} finally {
  clearInterval(progress);
}
const away = trials.all.filter(({ caught }) => caught === undefined);
console.log(`\n${wanted.length - away.length} of ${wanted.length} mutants caught`);
if (failing.size > 0)
  console.log(`without any mutant fail the seeds ${[...failing].join(", ")}: simulate them first`);
process.exitCode = away.length === 0 && failing.size === 0 ? 0 : 1;

/**
 * Plants each bug of test/simulation/mutants.ts in a copy of the real modules and runs the simulation, or the test
 * that the bug names. Prints what caught the bug, and fails when nothing did. `--only TEXT` takes the bugs whose name
 * contains the text.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { type Mutant, mutants } from "../test/simulation/mutants.ts";
import { fileOfTest, plantAll, readModules, readTests } from "../test/simulation/planting.ts";
import { type Outcome, runInWorker } from "../test/simulation/seeds.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "3000" },
    from: { type: "string", default: "0" },
    only: { type: "string", default: "" },
  },
});

const seeds = Number(values.seeds);
const from = Number(values.from);
/** A seed takes some tenths of a second, on a machine that does nothing else. */
const HANG_MS = 120_000;

interface Verdict {
  readonly mutant: Mutant;
  readonly caughtBy: string | undefined;
  readonly failedSeed?: number | undefined;
  readonly seedsRun: number;
  readonly message: string;
}

/** A copy of what the simulation runs. Outside node_modules, where no types would be stripped. */
function copyModules(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-mutant-"));
  for (const part of ["src", "gen", "proto", "test", "package.json", "vitest.config.ts"]) {
    cpSync(join(source, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(process.cwd(), "node_modules"), join(folder, "node_modules"));
  return folder;
}

async function tryMutant(mutant: Mutant): Promise<Verdict> {
  const folder = copyModules(original);
  try {
    for (const { path, text } of plantAll(modules, mutant.edits)) writeFileSync(join(folder, path), text);
    if (mutant.test !== undefined) return await runTest(mutant, mutant.test, folder);
    const verdict = judge(mutant, await run(folder, from, seeds));
    await checkOriginal(verdict.failedSeed);
    return verdict;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(folder: string, first: number, count: number): Promise<Outcome> {
  const entry = pathToFileURL(join(folder, "test/simulation/seeds.ts"));
  return runInWorker({ from: first, seeds: count, step: 1, stopAtFirst: true }, entry, HANG_MS);
}

/** A seed that also fails without the bug has not caught it. */
async function checkOriginal(seed: number | undefined): Promise<void> {
  if (seed === undefined) return;
  const { failures } = await run(original, seed, 1);
  if (failures.length > 0) throw new Error(`seed ${seed} fails without any mutant: simulate it first`);
}

/** A test that fails has caught it. Another outcome, such as a run without tests, has not. */
function runTest(mutant: Mutant, title: string, folder: string): Promise<Verdict> {
  const file = fileOfTest(tests, title);
  const runner = join(process.cwd(), "node_modules/vitest/vitest.mjs");
  const pattern = title.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const vitest = spawn(process.execPath, [runner, "run", "--project", "meshcache", file, "-t", pattern], {
    cwd: folder,
  });
  let output = "";
  vitest.stdout.on("data", (text) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    vitest.once("error", reject);
    vitest.once("close", (code) => {
      const failed = code === 1 && /Tests .*1 failed/.test(stripVTControlCharacters(output));
      resolve({ mutant, caughtBy: failed ? `test: ${file}` : undefined, seedsRun: 0, message: title });
    });
  });
}

function judge(mutant: Mutant, { seeds: seedsRun, failures }: Outcome): Verdict {
  const [first] = failures;
  const message = first?.message ?? "";
  return { mutant, caughtBy: first?.check, failedSeed: first?.seed, seedsRun, message };
}

function print({ mutant, caughtBy, seedsRun, message }: Verdict): void {
  const result = caughtBy === undefined ? "GOT AWAY" : caughtBy;
  const [line = ""] = message.split("\n");
  console.log(`| ${mutant.name} | ${result} | ${seedsRun} | ${line.slice(0, 140)} |`);
}

/** Copied once, so that edits of the repository during the run change nothing. */
const original = copyModules(process.cwd());
const modules = readModules(original);
const tests = readTests(original);
const wanted = mutants.filter(({ name }) => name.includes(values.only));
const verdicts: Verdict[] = [];
console.log(`| mutant | caught by | seeds (of ${seeds}) | what it said |\n|---|---|---|---|`);
const waiting = [...wanted];
try {
  await Promise.all(
    Array.from({ length: Math.min(availableParallelism(), 4) }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const verdict = await tryMutant(next);
        verdicts.push(verdict);
        print(verdict);
      }
    }),
  );
} finally {
  rmSync(original, { recursive: true, force: true });
}
const caught = verdicts.filter(({ caughtBy }) => caughtBy !== undefined);
console.log(`\n${caught.length} of ${wanted.length} mutants caught`);
process.exitCode = caught.length === wanted.length ? 0 : 1;

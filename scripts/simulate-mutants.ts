/**
 * Plants each bug of test/simulation/mutants.ts in a copy of the real modules and has the simulation look for
 * it: prints what caught it, and fails if one got away. `--only TEXT` for those whose name has it.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { type Edit, type Mutant, mutants } from "../test/simulation/mutants.ts";
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
const hangMs = 600_000;

interface Verdict {
  readonly mutant: Mutant;
  readonly caughtBy: string | undefined;
  readonly failedSeed?: number | undefined;
  readonly seedsRun: number;
  readonly message: string;
}

function plant({ file, find, replace }: Edit, folder: string): void {
  const path = join(folder, file);
  const text = readFileSync(path, "utf8");
  const found = text.split(find).length - 1;
  if (found !== 1) throw new Error(`${file} has ${found} places, and not one, for: ${find}`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
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

async function hunt(mutant: Mutant): Promise<Verdict> {
  const folder = copyModules(original);
  try {
    for (const edit of mutant.edits) plant(edit, folder);
    if (mutant.test !== undefined) return await runTest(mutant, mutant.test, folder);
    const verdict = judge(mutant, await run(folder, from, seeds));
    await proveInnocent(verdict.failedSeed);
    return verdict;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function run(folder: string, first: number, count: number): Promise<Outcome> {
  const entry = pathToFileURL(join(folder, "test/simulation/seeds.ts"));
  return runInWorker({ from: first, seeds: count, step: 1, stopAtFirst: true }, entry, hangMs);
}

/** A seed that fails without the bug, too, has not caught it. */
async function proveInnocent(seed: number | undefined): Promise<void> {
  if (seed === undefined) return;
  const { failures } = await run(original, seed, 1);
  if (failures.length > 0) throw new Error(`seed ${seed} fails without any mutant: simulate it first`);
}

/** A test that fails has caught it. Another outcome, such as a test that is not there any more, has not. */
function runTest(
  mutant: Mutant,
  { file, name }: NonNullable<Mutant["test"]>,
  folder: string,
): Promise<Verdict> {
  const runner = join(process.cwd(), "node_modules/vitest/vitest.mjs");
  const vitest = spawn(process.execPath, [runner, "run", "--project", "meshcache", file, "-t", name], {
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
      resolve({ mutant, caughtBy: failed ? `test: ${file}` : undefined, seedsRun: 0, message: name });
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

/** Copied once, so that who edits the modules meanwhile does not matter. */
const original = copyModules(process.cwd());
const wanted = mutants.filter(({ name }) => name.includes(values.only));
const verdicts: Verdict[] = [];
console.log(`| mutant | caught by | seeds (of ${seeds}) | what it said |\n|---|---|---|---|`);
const waiting = [...wanted];
try {
  await Promise.all(
    Array.from({ length: Math.min(availableParallelism(), 4) }, async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const verdict = await hunt(next);
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

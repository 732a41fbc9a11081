/** The command line of the bench: runs comparisons, draws their results, profiles a row, runs the soak test. */
import { readFile } from "node:fs/promises";
import { loadavg } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import { type PlanOptions, resolvePlan } from "./plan.ts";
import { profileComparison } from "./profile.ts";
import { toChart } from "./report/chart.ts";
import { parseResults, toResults } from "./report/results.ts";
import { toMarkdownTable, toTerminalTable } from "./report/table.ts";
import { comparisons, selectComparisons } from "./rows/all.ts";
import { runComparisons } from "./run.ts";
import { soak } from "./soak.ts";

function toNumber(text: string): number {
  const number = Number(text.replaceAll("_", ""));
  if (!Number.isFinite(number)) throw new InvalidArgumentError("must be a number");
  return number;
}

const program = new Command("bench").description(
  "Compares meshcache with its peers, both measured in the same run.",
);

program
  .command("run", { isDefault: true })
  .description("run the comparisons and print their table")
  .argument("[name...]", "rows by name or number; all of them by default")
  .option("--json", "print the result as JSON")
  .option("--quick", "a smoke test of under two minutes: fewer entries, short windows")
  .option("--pairs <n>", "interleaved pairs of each comparison (default 5)", toNumber)
  .option("--entries <n>", "entries of 100 B", toNumber)
  .option("--seed <n>", "seed of keys, values and arrivals (default 1)", toNumber)
  .option(
    "--engine <name>",
    "engine of our store in rows 5, 6 and 9: lru or offheap (default: the default of the store)",
  )
  .option("--traces <folder>", "folder with web07.trace.gz and orm-night.trace.gz (or MESHCACHE_TRACES)")
  .option("--against <folder>", "another checkout, with its packages: rows 1e to 3e compare this one with it")
  .action(async (names: string[], options: PlanOptions & { json?: boolean }) => {
    const plan = resolvePlan(options);
    const loadAverageBefore = loadavg()[0] ?? 0;
    const rows = await runComparisons(selectComparisons(names), { plan });
    const results = toResults(rows, plan, loadAverageBefore);
    console.log(options.json ? JSON.stringify(results, undefined, 2) : toTerminalTable(results));
    if (rows.some((row) => row.verdict === "failed")) process.exitCode = 1;
  });

program
  .command("list")
  .description("list the comparisons")
  .action(() => {
    for (const { name, ids, title } of comparisons) console.log(`${name} (${ids.join(", ")}): ${title}`);
  });

program
  .command("chart")
  .description("draw the JSON of a run as SVG, to standard output")
  .argument("<results.json>")
  .action(async (path: string) => {
    process.stdout.write(toChart(parseResults(await readFile(path, "utf8"))));
  });

program
  .command("table")
  .description("print the JSON of a run as a Markdown table")
  .argument("<results.json>")
  .action(async (path: string) => {
    console.log(toMarkdownTable(parseResults(await readFile(path, "utf8"))));
  });

program
  .command("profile")
  .description("run one comparison with meshcache's server and client under the CPU profiler")
  .argument("<name>", "row by name or number")
  .option("--entries <n>", "entries of 100 B (default 100,000)", toNumber)
  .action(async (name: string, options: { entries?: number }) => {
    await profileComparison(name, options);
  });

program
  .command("soak")
  .description(
    "load a server at half of its capacity under churn and check that its resident memory does not grow",
  )
  .option("--minutes <n>", "how long", toNumber, 10)
  .option("--entries <n>", "entries of 100 B", toNumber)
  .option("--json", "print the result as JSON")
  .action(async (options: { minutes: number; entries?: number; json?: boolean }) => {
    const flat = await soak(options);
    if (!flat) process.exitCode = 1;
  });

// `process.exit`, so that the "exit" handlers end the processes of the run.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof RangeError) && !(error instanceof SyntaxError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

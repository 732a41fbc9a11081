/** `profile NAME`: runs one comparison with CPU profiles of meshcache's processes, and prints their summary. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { loadavg } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { resolvePlan } from "./plan.ts";
import { summarizeProfile } from "./report/profile-summary.ts";
import { toResults } from "./report/results.ts";
import { toTerminalTable } from "./report/table.ts";
import { selectComparisons } from "./rows/all.ts";
import { runComparisons } from "./run.ts";

const profilesFolder = fileURLToPath(new URL("profiles", import.meta.url));
const HOT_FUNCTIONS = 20;
const DEFAULT_ENTRIES = 100_000;

export async function profileComparison(name: string, options: { readonly entries?: number }): Promise<void> {
  const plan = {
    ...resolvePlan({ entries: options.entries ?? DEFAULT_ENTRIES, pairs: 2 }),
    everyShape: false,
  };
  const folder = join(profilesFolder, name);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const loadAverageBefore = loadavg()[0] ?? 0;
  const rows = await runComparisons(selectComparisons([name]), { plan, profileFolder: folder });
  console.log(toTerminalTable(toResults(rows, plan, loadAverageBefore)));
  for (const file of (await readdir(folder)).filter((one) => one.endsWith(".cpuprofile")).sort()) {
    const path = join(folder, file);
    console.log(`\n${relative(process.cwd(), path)} (opens in the browser's DevTools)`);
    for (const { share, name: functionName, place } of await summarizeProfile(path, HOT_FUNCTIONS)) {
      console.log(`  ${(share * 100).toFixed(1).padStart(5)} %  ${functionName}  ${place}`);
    }
  }
}

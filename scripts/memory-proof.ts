/**
 * Measures what a server takes idle and filled six times over its budget, and compares it with what `meshcache sizing`
 * computes: `npm run proof:memory`. The first servers have given budgets and workers, the others the defaults that fit a
 * memory limit. Fails when a server takes more. Linux only.
 */
import { toColumns } from "../src/cli/output/text.ts";
import type { Settings } from "../src/cli/settings/settings.ts";
import { resolveSettings } from "../src/cli/settings/sources.ts";
import { type FilledSettings, fillServer } from "../test/support/filled-server.ts";

const MIB = 2 ** 20;
const TIMES = 6;
const BUDGETS_MIB = [64, 256, 1_024];
const WORKERS = [1, 2, 4];
const LIMITS_MIB = [512, 1_024, 2_048];
const CORES_UNDER_LIMIT = 4;

const rows: string[][] = [];
let exceeded = 0;

/** `limitBytes`: what the server must stay below, besides what was computed. */
async function prove(
  title: string,
  settings: FilledSettings,
  limitBytes = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { idleBytes, peakBytes, sized } = await fillServer(settings, TIMES);
  const fits = idleBytes <= sized.idleBytes && peakBytes <= Math.min(sized.ceilingBytes, limitBytes);
  if (!fits) exceeded += 1;
  const sizes = [settings.storeBudgetBytes, idleBytes, sized.idleBytes, peakBytes, sized.ceilingBytes];
  const cells = sizes.map((bytes) => `${Math.round(bytes / MIB)} MiB`);
  rows.push([title, `${settings.workers}`, ...cells, fits ? "" : "TOO MUCH"]);
  console.error(rows.at(-1)?.join("  "));
}

function fitted(limitMiB: number): Settings {
  const machine = {
    cores: CORES_UNDER_LIMIT,
    platform: "linux",
    memoryBytes: { value: limitMiB * MIB, path: "" },
    cpus: undefined,
  };
  return resolveSettings({ flags: {}, env: {}, filePath: undefined, readFile: () => "", machine }).values;
}

for (const budgetMiB of BUDGETS_MIB) {
  for (const workers of WORKERS) await prove("given", { workers, storeBudgetBytes: budgetMiB * MIB });
}
for (const limitMiB of LIMITS_MIB) {
  const { listen: _listen, admin: _admin, logLevel: _logLevel, ...settings } = fitted(limitMiB);
  await prove(`limit of ${limitMiB} MiB`, settings, limitMiB * MIB);
}
const head = ["settings", "workers", "budget", "idle", "computed", "filled", "ceiling", ""];
console.log(toColumns([head, ...rows], [1, 2, 3, 4, 5, 6]).join("\n"));
if (exceeded > 0) {
  console.error(`${exceeded} of ${rows.length} servers took more than "meshcache sizing" computes`);
  process.exitCode = 1;
}

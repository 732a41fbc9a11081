/**
 * Measures what a server takes idle and filled six times over its budget, with one, two and four workers, and compares it
 * with what `meshcache sizing` computes: `npm run proof:memory`. Fails when a server takes more. Linux only.
 */
import { toColumns } from "../src/cli/output/text.ts";
import { fillServer } from "../test/support/filled-server.ts";

const MIB = 2 ** 20;
const TIMES = 6;
const BUDGETS_MIB = [64, 256, 1_024];
const WORKERS = [1, 2, 4];

const rows = [["workers", "budget", "idle", "computed", "filled", "ceiling"]];
let exceeded = 0;
for (const budgetMiB of BUDGETS_MIB) {
  for (const workers of WORKERS) {
    const { idleBytes, peakBytes, sized } = await fillServer({
      workers,
      budgetBytes: budgetMiB * MIB,
      times: TIMES,
    });
    if (idleBytes > sized.idleBytes || peakBytes > sized.ceilingBytes) exceeded += 1;
    const sizes = [budgetMiB * MIB, idleBytes, sized.idleBytes, peakBytes, sized.ceilingBytes];
    rows.push([String(workers), ...sizes.map((bytes) => `${Math.round(bytes / MIB)} MiB`)]);
    console.log(toColumns(rows.slice(-1)).join(""));
  }
}
console.log(`\n${toColumns(rows, [0, 1, 2, 3, 4, 5]).join("\n")}`);
if (exceeded > 0) {
  console.error(`${exceeded} of ${rows.length - 1} servers took more than "meshcache sizing" computes`);
  process.exitCode = 1;
}

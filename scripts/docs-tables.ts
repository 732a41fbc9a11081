/**
 * Writes the tables of the documents that come from the code: settings, metrics, exit codes, scenarios, rooms. With
 * `--check` it writes nothing and fails when one is out of date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { tableFiles, withTables } from "../test/documents/tables.ts";

const isCheck = process.argv.includes("--check");
const stale: string[] = [];
for (const path of tableFiles) {
  const text = readFileSync(path, "utf8");
  const fresh = withTables(text);
  if (fresh === text) continue;
  stale.push(path);
  if (!isCheck) writeFileSync(path, fresh);
}
if (isCheck && stale.length > 0) {
  console.error(`out of date: run "npm run docs:tables" and commit it.\n  ${stale.join("\n  ")}`);
  process.exitCode = 1;
}

/** Writes the dashboards of `deploy/grafana/dashboards`. With `--check` it compares them instead. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { buildDashboards } from "./dashboards/build.ts";

const folder = fileURLToPath(new URL("../deploy/grafana/dashboards/", import.meta.url));

for (const [name, dashboard] of buildDashboards()) {
  const text = `${JSON.stringify(dashboard, null, 2)}\n`;
  if (!process.argv.includes("--check")) writeFileSync(`${folder}${name}`, text);
  else if (readFileSync(`${folder}${name}`, "utf8") !== text) {
    process.stderr.write(`deploy/grafana/dashboards/${name} is old: npm run dashboards\n`);
    process.exitCode = 1;
  }
}

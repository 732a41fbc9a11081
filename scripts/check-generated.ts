/**
 * Fails when `gen/` differs from what `buf generate` creates from `proto/`: generates into another folder and
 * compares.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

function filesUnder(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

const fresh = mkdtempSync(join(tmpdir(), "meshcache-gen-"));
try {
  execFileSync("buf", ["generate", "--output", fresh], { stdio: "inherit" });
  const made = join(fresh, "gen");
  const names = new Set([...filesUnder(made), ...filesUnder("gen")]);
  const read = (root: string, name: string): string | undefined => {
    try {
      return readFileSync(join(root, name), "utf8");
    } catch {
      return undefined;
    }
  };
  const stale = [...names].filter((name) => read(made, name) !== read("gen", name));
  if (stale.length > 0) {
    console.error(`gen/ is stale: run "npm run generate" and commit it.\n  ${stale.join("\n  ")}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

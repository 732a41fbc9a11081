/** Builds the page of the console, unless it is there and was built of the same files: `npm start` runs this first. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

/** What the page may import (test/house/rooms.ts), and how it is built. */
const INPUTS = ["src/console", "src/cli/output", "gen", "vite.config.ts", "package-lock.json"];
const PAGE = "dist/console/index.html";
const BUILT_OF = ".cache/console-built-of";

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function digest(): string {
  const hash = createHash("sha256");
  for (const file of INPUTS.flatMap(filesOf).sort()) {
    const bytes = readFileSync(file);
    hash.update(`${file} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

/** Of these files and of this build: another way to build the page makes another. Undefined: there is none. */
const state = (): string | undefined =>
  existsSync(PAGE) ? `${digest()} ${statSync(PAGE).mtimeMs}` : undefined;

const isFresh = existsSync(BUILT_OF) && readFileSync(BUILT_OF, "utf8") === state();
if (!isFresh) {
  execFileSync("node_modules/.bin/vite", ["build", "--logLevel", "warn"], { stdio: "inherit" });
  mkdirSync(dirname(BUILT_OF), { recursive: true });
  writeFileSync(BUILT_OF, `${state()}`);
}

/**
 * The command as it is installed: its bundle, made again where the sources have changed. It starts in half the time of the
 * sources.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { bundleCommand } from "../../scripts/bundle.ts";
import { joinLibrary, LIBRARY_FILE } from "../../src/tier/library/source.ts";

const CACHE = ".cache/command";
const INPUTS = ["src/**/*.{ts,lua}", "gen/**/*.ts", "scripts/bundle.ts", "package-lock.json"];
/** No run of the tests takes as long. */
const OLD_MS = 3_600_000;

/** What Node runs. */
export async function bundledCommand(): Promise<string> {
  const folder = join(CACHE, digest());
  if (!existsSync(folder)) await make(folder);
  return resolve(folder, "src/cli/launch.js");
}

function digest(): string {
  const hash = createHash("sha256");
  for (const file of globSync(INPUTS).sort()) hash.update(file).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}

/** Other tests may make the same at the same time. */
async function make(folder: string): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  for (const name of readdirSync(CACHE)) {
    const made = join(CACHE, name);
    if (Date.now() - statSync(made).mtimeMs > OLD_MS) rmSync(made, { recursive: true, force: true });
  }
  const temporary = mkdtempSync(join(CACHE, "making-"));
  await bundleCommand(join(temporary, "src/cli"));
  mkdirSync(join(temporary, "lua"));
  writeFileSync(join(temporary, "lua", LIBRARY_FILE), joinLibrary());
  try {
    renameSync(temporary, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(temporary, { recursive: true });
  }
}

/**
 * Makes `dist/meshcache-PLATFORM-ARCH`, a single executable file: the node of the lockfile with the bundled server and
 * command line in it. It needs no Node and no package where it runs.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CONSOLE_ASSET_PREFIX, CONSOLE_LIST_ASSET, readFolder } from "../src/cli/serving/console-files.ts";
import { CODE_CACHE_ASSET, PROGRAM_ASSET, START_ASSET } from "../src/cli/serving/executable-assets.ts";
import { SERVER_V8_FLAGS } from "../src/cli/v8-flags.ts";
import { joinLibrary, LIBRARY_FILE } from "../src/tier/library/source.ts";
import { bundleFunction, bundleScript } from "./bundle.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

/** Node looks for the program in the file behind this mark (Node's documentation, "Single executable applications"). */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** The page of the console, if it was built. */
function consoleAssets(folder: string): Record<string, string> {
  const paths = [...readFolder("dist/console").keys()];
  const list = join(folder, CONSOLE_LIST_ASSET);
  writeFileSync(list, JSON.stringify(paths));
  const files = paths.map((path) => [CONSOLE_ASSET_PREFIX + path, join("dist/console", path)]);
  return { [CONSOLE_LIST_ASSET]: list, ...Object.fromEntries(files) };
}

const work = mkdtempSync(join(tmpdir(), "meshcache-binary-"));
try {
  const inWork = (name: string) => join(work, name);
  const [start, program, cache] = [inWork(START_ASSET), inWork(PROGRAM_ASSET), inWork(CODE_CACHE_ASSET)];
  const licences = await bundleFunction("src/cli/executable.ts", program);
  await bundleScript("src/cli/executable-start.ts", start);
  const run = (args: readonly string[]) =>
    execFileSync(process.execPath, [...SERVER_V8_FLAGS, ...args], { stdio: ["ignore", "ignore", "inherit"] });
  run(["scripts/code-cache.ts", program, cache]);
  const library = inWork(LIBRARY_FILE);
  writeFileSync(library, joinLibrary());
  const blob = join(work, "blob");
  const config = join(work, "sea.json");
  writeFileSync(
    config,
    JSON.stringify({
      main: start,
      output: blob,
      disableExperimentalSEAWarning: true,
      execArgv: SERVER_V8_FLAGS,
      assets: {
        [START_ASSET]: start,
        [PROGRAM_ASSET]: program,
        [CODE_CACHE_ASSET]: cache,
        [LIBRARY_FILE]: library,
        ...consoleAssets(work),
      },
    }),
  );
  run(["--experimental-sea-config", config]);
  mkdirSync("dist", { recursive: true });
  writeFileSync("dist/THIRD-PARTY-LICENSES.txt", licences);
  const output = `dist/meshcache-${process.platform}-${process.arch}`;
  rmSync(output, { force: true });
  copyFileSync(process.execPath, output);
  chmodSync(output, 0o755);
  // postject warns of each section of the file without a name.
  const inject = [output, "NODE_SEA_BLOB", blob, "--sentinel-fuse", FUSE];
  execFileSync("node_modules/.bin/postject", inject, { stdio: "pipe" });
  process.stdout.write(`${output}\n`);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/**
 * Emits what the two packages are published with: JavaScript and declarations. `node scripts/build.ts [meshcache|client]`
 * builds one of them, and both without a name.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { joinLibrary, LIBRARY_FILE } from "../src/tier/library/source.ts";
import { bundleCommand } from "./bundle.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

function emit(config: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  execFileSync("node_modules/.bin/tsc", ["-p", config], { stdio: "inherit" });
}

/** Nobody imports the command line, and it is to start soon: a bundle takes the place of its modules. */
async function bundleCommandLine(): Promise<void> {
  const folder = "dist/src/cli";
  rmSync(folder, { recursive: true });
  writeFileSync("dist/THIRD-PARTY-LICENSES.txt", await bundleCommand(folder));
}

const builds: Readonly<Record<string, () => void | Promise<void>>> = {
  async meshcache() {
    emit("tsconfig.build.json", "dist");
    await bundleCommandLine();
    chmodSync("dist/src/cli/launch.js", 0o755);
    // What servers load into the engine of the shared tier.
    mkdirSync("dist/lua");
    writeFileSync(`dist/lua/${LIBRARY_FILE}`, joinLibrary());
    // Into dist/console: the page that the admin port serves.
    execFileSync("node_modules/.bin/vite", ["build", "--logLevel", "warn"], { stdio: "inherit" });
  },
  client() {
    emit("tsconfig.client.json", "packages/client/dist");
    copyFileSync("LICENSE", "packages/client/LICENSE");
    // What services import to declare how their responses are cached.
    cpSync("proto/meshcache/options", "packages/client/proto/meshcache/options", { recursive: true });
  },
};

const [, , name] = process.argv;
if (name !== undefined && !Object.hasOwn(builds, name)) throw new Error(`no package to build: ${name}`);
for (const build of name === undefined ? Object.keys(builds) : [name]) await builds[build]?.();

/**
 * Emits what the two packages are published with: JavaScript and declarations. `node scripts/build.ts [meshcache|client]`
 * builds one of them, and both without a name.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

function emit(config: string, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  execFileSync("node_modules/.bin/tsc", ["-p", config], { stdio: "inherit" });
}

const builds: Readonly<Record<string, () => void>> = {
  meshcache() {
    emit("tsconfig.build.json", "dist");
    chmodSync("dist/src/cli/launch.js", 0o755);
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
for (const build of name === undefined ? Object.keys(builds) : [name]) builds[build]?.();

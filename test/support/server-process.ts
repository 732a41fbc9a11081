/** A `meshcache serve` in a process of its own, from the bundle. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { SERVER_V8_FLAGS } from "../../src/cli/v8-flags.ts";
import { bundledCommand } from "./bundled-command.ts";
import { Captured } from "./command-line.ts";
import { CALM } from "./test-workers.ts";

export interface ServerProcess {
  readonly child: ChildProcess;
  readonly address: string;
  /** The URL of the admin port. */
  readonly admin: string;
  readonly stderr: Captured;
}

interface ProcessOptions {
  readonly nodeFlags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const COMMAND = await bundledCommand();

/** Serves on free ports, unless `argv` has others. */
export async function startServerProcess(
  argv: readonly string[],
  { nodeFlags = [], env = {} }: ProcessOptions = {},
): Promise<ServerProcess> {
  const command = [COMMAND, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
  const child = spawn(process.execPath, [...SERVER_V8_FLAGS, ...nodeFlags, ...command, ...argv], {
    env: { ...process.env, MESHCACHE_SHED_AFTER_MS: `${CALM.shedAfterMs}`, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr] = [new Captured(), new Captured()];
  child.stdout.pipe(stdout);
  child.stderr.pipe(stderr);
  await stdout.until(/Try it/);
  const address = /listens on (\S+)/.exec(stdout.text())?.[1] ?? "";
  const admin = /health on (\S+)/.exec(stdout.text())?.[1] ?? "";
  return { child, address, admin, stderr };
}

export async function stopServerProcess(
  { child }: ServerProcess,
  signal: NodeJS.Signals = "SIGTERM",
): Promise<void> {
  const closed = once(child, "close");
  child.kill(signal);
  await closed;
}

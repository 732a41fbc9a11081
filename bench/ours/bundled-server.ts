/** meshcache as its users have it: the bundle of its command, or the single file, with a snapshot. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundleCommand } from "../../scripts/bundle.ts";
import { freePort } from "../../test/support/free-port.ts";
import { LOOPBACK } from "../process/loopback.ts";

export interface BundledCommand extends Disposable {
  /** Program and arguments. */
  readonly command: readonly [string, ...string[]];
  /** For the files of the servers. It ends with this. */
  readonly folder: string;
}

export async function makeBundle(): Promise<BundledCommand> {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-bench-"));
  const program = join(folder, "program");
  await bundleCommand(program);
  return {
    command: [process.execPath, join(program, "launch.js")],
    folder,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const SINGLE_FILE = fileURLToPath(
  new URL(`../../dist/meshcache-${process.platform}-${process.arch}`, import.meta.url),
);

/** What `npm run build:binary` has made. Undefined: nothing. */
export function singleFile(): string | undefined {
  return existsSync(SINGLE_FILE) ? SINGLE_FILE : undefined;
}

export function commandOfFile(file: string): BundledCommand {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-bench-"));
  return {
    command: [file],
    folder,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface BundledServer extends AsyncDisposable {
  readonly port: number;
  /** From the start of the process until it said that it listens. */
  readonly servingMs: number;
  /** Of the snapshot. Undefined: there was none. */
  readonly loadMs: number | undefined;
  /** Ends in order. Returns how long the snapshot took. */
  stop(): Promise<number | undefined>;
}

export async function startBundledServer(
  { command: [program, ...parameters], folder }: BundledCommand,
  { budgetBytes, snapshot = "snapshot" }: { readonly budgetBytes: number; readonly snapshot?: string },
): Promise<BundledServer> {
  const port = await freePort();
  const beganMs = performance.now();
  const child = spawn(
    program,
    [
      ...[
        ...parameters,
        "serve",
        "--workers",
        "2",
        "--listen",
        `${LOOPBACK}:${port}`,
        "--admin",
        `${LOOPBACK}:0`,
      ],
      ...["--store-budget-bytes", `${budgetBytes}`, "--snapshot", join(folder, snapshot)],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    log += chunk;
  });
  await serving(child, () => log);
  const servingMs = performance.now() - beganMs;
  const figure = (name: string): number | undefined => {
    const found = new RegExp(`"${name}":([0-9.]+)`).exec(log)?.[1];
    return found === undefined ? undefined : Number(found);
  };
  const stop = async (): Promise<number | undefined> => {
    if (child.exitCode === null && child.signalCode === null) {
      const closed = once(child, "close");
      child.kill("SIGTERM");
      await closed;
    }
    process.removeListener("exit", kill);
    return figure("writeMs");
  };
  return {
    port,
    servingMs,
    loadMs: figure("loadMs"),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

async function serving(child: ChildProcess, log: () => string): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      said += chunk;
      if (said.includes("listens on")) resolve();
    });
    child.once("exit", () => reject(new Error(`meshcache ended\n${log()}`)));
  });
}

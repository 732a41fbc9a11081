/** meshcache as its users have it: the bundle of its command, started by it, with a snapshot. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleCommand } from "../../scripts/bundle.ts";
import { freePort, LOOPBACK } from "../process/loopback.ts";

export interface BundledCommand extends Disposable {
  readonly launch: string;
  /** For the files of the servers. It ends with this. */
  readonly folder: string;
}

export async function makeBundle(): Promise<BundledCommand> {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-bench-"));
  const program = join(folder, "program");
  await bundleCommand(program);
  return {
    launch: join(program, "launch.js"),
    folder,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface BundledServer extends AsyncDisposable {
  readonly port: number;
  /** Of the snapshot. Undefined: there was none. */
  readonly loadMs: number | undefined;
  /** Ends in order. Returns how long the snapshot took. */
  stop(): Promise<number | undefined>;
}

export async function startBundledServer(
  { launch, folder }: BundledCommand,
  { budgetBytes }: { readonly budgetBytes: number },
): Promise<BundledServer> {
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [
      ...[launch, "serve", "--workers", "2", "--listen", `${LOOPBACK}:${port}`, "--admin", `${LOOPBACK}:0`],
      ...["--store-budget-bytes", `${budgetBytes}`, "--snapshot", join(folder, "snapshot")],
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

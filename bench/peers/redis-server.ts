/** A redis-server for one run: on a free port, with nothing on disk. It ends with the run. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { freePort, LOOPBACK } from "../process/loopback.ts";

export interface RedisServer extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 5_000;

export async function startRedisServer(): Promise<RedisServer> {
  const port = await freePort();
  const settings = [
    "--port",
    `${port}`,
    "--bind",
    LOOPBACK,
    "--save",
    "",
    "--appendonly",
    "no",
    "--dir",
    tmpdir(),
  ];
  const child = spawn("redis-server", settings, { stdio: ["ignore", "pipe", "ignore"] });
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.removeListener("exit", kill);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    kill();
    await exit;
  };
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("redis-server is not ready")), READY_TIMEOUT_MS);
    let log = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      log += chunk;
      if (!/Ready to accept connections/.test(log)) return;
      clearTimeout(late);
      resolve();
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`redis-server ended\n${log}`)));
  });
  // From now on the log is discarded. A full pipe would block the server.
  child.stdout.removeAllListeners("data").resume();
  const { pid } = child;
  if (pid === undefined) throw new Error("redis-server could not be started");
  return { pid, port, stop, [Symbol.asyncDispose]: stop };
}

/** A redis-server or a valkey-server for one run: on a free port, with nothing on disk. It ends with the run. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { freePort, LOOPBACK } from "../process/loopback.ts";
import type { ServerFiles } from "../process/tls-files.ts";
import { type ServerProgram, serverPrograms } from "./server-programs.ts";

export interface RedisServer extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 5_000;

/** `tls`: takes connections over TLS alone, and asks for no client certificate, as meshcache does beside it. */
export async function startRedisServer(
  tls?: ServerFiles,
  program: ServerProgram = "redis-server",
): Promise<RedisServer> {
  const port = await freePort();
  const settings = [
    ...(tls === undefined ? ["--port", `${port}`] : tlsSettings(tls, port)),
    "--bind",
    LOOPBACK,
    "--save",
    "",
    "--appendonly",
    "no",
    "--dir",
    tmpdir(),
  ];
  const child = spawn(commandOf(program), settings, { stdio: ["ignore", "pipe", "ignore"] });
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
    const late = setTimeout(() => reject(new Error(`${program} is not ready`)), READY_TIMEOUT_MS);
    let log = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      log += chunk;
      if (!/Ready to accept connections/.test(log)) return;
      clearTimeout(late);
      resolve();
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`${program} ended\n${log}`)));
  });
  // From now on the log is discarded. A full pipe would block the server.
  child.stdout.removeAllListeners("data").resume();
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} could not be started`);
  return { pid, port, stop, [Symbol.asyncDispose]: stop };
}

function commandOf(program: ServerProgram): string {
  const runs = (command: string) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0;
  return serverPrograms(program).find(runs) ?? program;
}

function tlsSettings({ ca, cert, key }: ServerFiles, port: number): string[] {
  return [
    ...["--port", "0", "--tls-port", `${port}`, "--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3"],
    ...["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca],
  ];
}

/** A redis-server or a valkey-server for one run: on a free port, with nothing on disk unless it is told. It ends with the run. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { freePort } from "../../test/support/free-port.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { ServerFiles } from "../process/tls-files.ts";
import { type ServerProgram, serverPrograms } from "./server-programs.ts";

export interface RedisServer extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** How long it took to load its file. Undefined: there was none. */
  readonly loadMs: number | undefined;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 60_000;

/**
 * `tls`: takes connections over TLS alone, and asks for no client certificate, as meshcache does beside it. `folder`: where it
 * looks for the file that `saveRedis` has written.
 */
export async function startRedisServer(
  tls?: ServerFiles,
  program: ServerProgram = "redis-server",
  folder: string = tmpdir(),
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
    folder,
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
  let log = "";
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${program} is not ready`)), READY_TIMEOUT_MS);
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
  const loadS = /DB loaded from disk: ([0-9.]+) seconds/.exec(log)?.[1];
  const loadMs = loadS === undefined ? undefined : Number(loadS) * 1_000;
  return { pid, port, loadMs, stop, [Symbol.asyncDispose]: stop };
}

/** What `redis-cli SAVE` does. Returns how long the answer took, in milliseconds. */
export async function saveRedis(port: number): Promise<number> {
  const socket = connect(port, LOOPBACK);
  await once(socket, "connect");
  const beganMs = performance.now();
  socket.write("SAVE\r\n");
  const [answer] = await once(socket, "data");
  socket.destroy();
  if (!String(answer).startsWith("+OK")) throw new Error(`SAVE: ${answer}`);
  return performance.now() - beganMs;
}

/** The file of the program. */
export function redisProgram(): string {
  return realpathSync(execFileSync("which", [commandOf("redis-server")], { encoding: "utf8" }).trim());
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

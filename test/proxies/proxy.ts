/** A real proxy in a process of its own, with a configuration of docs/proxies.md. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freeAddress } from "../support/free-port.ts";
import { until } from "../support/until.ts";
import { type Change, configOf } from "./configs.ts";
import { type ProxyKind, programOf } from "./programs.ts";

export interface ProxyProcess extends AsyncDisposable {
  readonly kind: ProxyKind;
  /** Where clients connect to. */
  readonly address: string;
  /** Of Envoy's admin port. */
  readonly admin: string;
  /** Asks the proxy to end by itself, or to load its configuration again. */
  signal(name: NodeJS.Signals): void;
  /** Ends the process at once: its connections are closed, and nothing listens. */
  kill(): Promise<void>;
  /** Starts the process again, at the same address. */
  start(): Promise<void>;
}

export interface ProxyOptions {
  /** The configuration's name on the page. Default: the kind. */
  readonly config?: string;
  /** Of the listener on the page. Default: what the configuration of one proxy has. */
  readonly listener?: string;
  /** Likewise, of what is behind it. */
  readonly upstream?: string;
  readonly changes?: readonly Change[];
  readonly flags?: readonly string[];
}

/** The commands in the foreground, as one worker. */
const FLAGS: Readonly<Record<ProxyKind, (file: string, folder: string) => string[]>> = {
  envoy: (file) => ["-c", file, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"],
  nginx: (file, folder) => [
    ...["-c", file, "-p", folder, "-e", "stderr"],
    ...["-g", `daemon off; pid ${join(folder, "pid")};`],
  ],
  haproxy: (file) => ["-db", "-f", file],
};

const FILES: Readonly<Record<ProxyKind, string>> = {
  envoy: "envoy.yaml",
  nginx: "nginx.conf",
  haproxy: "haproxy.cfg",
};

/** Of the page. */
const LISTENER = "0.0.0.0:50052";
const UPSTREAM = "meshcache:50051";
const ADMIN = "127.0.0.1:9901";

export async function startProxy(
  kind: ProxyKind,
  behind: string,
  { config = kind, listener = LISTENER, upstream = UPSTREAM, changes = [], flags = [] }: ProxyOptions = {},
): Promise<ProxyProcess> {
  const program = programOf(kind);
  if (program === undefined) throw new Error(`${kind} is not on this machine; .ci/proxies installs it`);
  const folder = mkdtempSync(join(tmpdir(), `meshcache-${kind}-`));
  const file = join(folder, FILES[kind]);
  const address = await freeAddress();
  const admin = await freeAddress();
  const addresses = { [listener]: address, [upstream]: behind, ...(kind === "envoy" && { [ADMIN]: admin }) };
  writeFileSync(file, configOf(config, addresses, changes));
  let child: ChildProcess | undefined;
  let log = "";

  const proxy: ProxyProcess = {
    kind,
    address,
    admin,
    signal: (name) => child?.kill(name),
    async kill() {
      if (child === undefined) return;
      const over = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
      // The master of nginx takes its workers along only when it is asked.
      child.kill(kind === "nginx" ? "SIGTERM" : "SIGKILL");
      await over;
      child = undefined;
    },
    async start() {
      const started = spawn(program, [...FLAGS[kind](file, folder), ...flags], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      child = started;
      // A test that fails may not come to its end.
      const end = () => started.kill();
      process.once("exit", end);
      started.once("exit", () => process.off("exit", end));
      for (const stream of [started.stdout, started.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          log = (log + text).slice(-10_000);
        });
      }
      await until(
        () => accepts(address),
        (is) => {
          if (started.exitCode !== null) throw new Error(`${kind} does not start:\n${log}`);
          return is;
        },
      );
    },
    async [Symbol.asyncDispose]() {
      await proxy.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await proxy.start();
  return proxy;
}

function accepts(address: string): Promise<boolean> {
  const [host = "", port = ""] = address.split(":");
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

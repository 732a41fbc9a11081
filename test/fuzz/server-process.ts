/** The server under attack, in a process of its own, so that its end is seen from outside, as an operator sees it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { cpuMs } from "../support/process-cpu.ts";
import { connectRaw } from "../support/raw-grpc.ts";
import { testTls } from "../support/test-tls.ts";

/** A Health/Check request for the whole server, and the answer SERVING. */
const CHECK = Buffer.alloc(5);
const SERVING = Buffer.from([0, 0, 0, 0, 2, 0x08, 0x01]);

export interface ServerProcess {
  readonly pid: number | undefined;
  readonly port: number;
  readonly adminPort: number;
  /** How the process ended. Undefined while it runs. */
  readonly ended: string | undefined;
  /** The lines of its log at level error. */
  readonly errors: readonly string[];
  isServing(): Promise<boolean>;
  /** How many callbacks threw an error that the boundary caught. */
  containedFaults(): Promise<number>;
  residentMiB(): number;
  /** The processor time that all its threads have taken. */
  cpuMs(): number;
  stop(): Promise<void>;
}

interface ServerProcessOptions {
  /** Further flags. Default: those for TLS, where the processes have the files for it. */
  readonly flags?: readonly string[];
  /** Flags behind these. */
  readonly settings?: readonly string[];
  /** Called with each line of its log. */
  readonly logged?: (line: string) => void;
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function startServerProcess(
  workers = 2,
  { flags = securityFlags(), settings = [], logged = () => {}, env = {} }: ServerProcessOptions = {},
): Promise<ServerProcess> {
  const addresses = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
  const child = spawn(
    process.execPath,
    ["src/cli/launch.ts", "serve", ...addresses, "--workers", String(workers), ...flags, ...settings],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } },
  );
  const errors: string[] = [];
  let ended: string | undefined;
  child.once("exit", (code, signal) => {
    ended = `the server ended with ${signal ?? `code ${code}`}`;
  });
  createInterface({ input: child.stderr }).on("line", (line) => {
    logged(line);
    if (!line.startsWith("{") || line.includes('"level":"error"')) errors.push(line);
  });
  const { port, adminUrl } = await readAddresses(child);
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${adminUrl}/metrics`)).text();
    const [, value = "0"] = text.match(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)`, "m")) ?? [];
    return Number(value);
  };
  return {
    pid: child.pid,
    port,
    adminPort: Number(new URL(adminUrl).port),
    errors,
    get ended() {
      return ended;
    },
    async isServing() {
      const raw = await connectRaw(`127.0.0.1:${port}`);
      const { body } = await raw.call("/grpc.health.v1.Health/Check", CHECK);
      raw.close();
      return body.equals(SERVING);
    },
    containedFaults: () => metric("meshcache_contained_faults_total"),
    residentMiB: () => Math.round(residentKiB(child.pid) / 1_024),
    cpuMs: () => cpuMs(child.pid),
    async stop() {
      if (ended !== undefined) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

/** Mutual TLS and a policy, where the processes have the files for it. The admin port stays as it is. */
function securityFlags(): readonly string[] {
  if (testTls === undefined) return [];
  const { tls, policy } = testTls.security;
  return [
    ...["--tls-cert", tls.cert, "--tls-key", tls.key, "--tls-client-ca", tls.clientCa],
    ...["--admin-tls", "off", "--policy", policy],
  ];
}

/** 0 if the system does not tell. */
function residentKiB(pid: number | undefined): number {
  try {
    return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function readAddresses(child: ChildProcess): Promise<{ port: number; adminUrl: string }> {
  if (child.stdout === null) throw new Error("the server has no output");
  let port: number | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    port ??= Number(line.match(/listens on 127\.0\.0\.1:(\d+)/)?.[1] ?? Number.NaN) || undefined;
    const adminUrl = line.match(/metrics and health on (\S+)/)?.[1];
    if (port !== undefined && adminUrl !== undefined) return { port, adminUrl };
  }
  throw new Error("the server did not start");
}

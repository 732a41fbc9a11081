/** The application beside this file: built, and started as production servers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { freePort } from "../../support/free-port.ts";

const FOLDER = import.meta.dirname;
const NEXT = `${FOLDER}/node_modules/next/dist/bin/next`;

export interface AppServer extends AsyncDisposable {
  readonly url: string;
}

/** What the pages show, and how often it was asked. */
export interface Source extends AsyncDisposable {
  readonly url: string;
  value: string;
  reads(name: string): number;
}

export interface AppEnvironment {
  readonly MESHCACHE_ADDRESS: string;
  readonly SOURCE_URL: string;
}

function run(args: readonly string[], environment: AppEnvironment) {
  return spawn(process.execPath, [NEXT, ...args], {
    cwd: FOLDER,
    env: { ...process.env, ...environment, NODE_ENV: "production", NEXT_TELEMETRY_DISABLED: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

export async function buildApp(environment: AppEnvironment): Promise<void> {
  const child = run(["build"], environment);
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => said.push(chunk));
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(Buffer.concat(said).toString());
}

/** Resolves when it says that it is ready. */
export async function startApp(environment: AppEnvironment): Promise<AppServer> {
  const port = await freePort();
  const child = run(["start", "--port", String(port), "--hostname", "127.0.0.1"], environment);
  child.stderr.pipe(process.stderr);
  const ended = once(child, "exit");
  const ready = (async () => {
    for await (const line of createInterface(child.stdout)) if (line.includes("Ready")) return;
    throw new Error("a server of the application has ended");
  })();
  await ready;
  child.stdout.resume();
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

export async function startSource(): Promise<Source> {
  const reads = new Map<string, number>();
  const server = createServer((request, response) => {
    const name = request.url?.slice(1) ?? "";
    reads.set(name, (reads.get(name) ?? 0) + 1);
    response.end(source.value);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const source: Source = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    value: "0",
    reads: (name) => reads.get(name) ?? 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return source;
}

/**
 * Runs mutated connections for `--seconds N` from `--seed S`: mutated recordings of each kind of call against
 * a server, on both HTTP/2 implementations, and a live client and server whose frames are mutated in both
 * directions. At the end the same server process must be SERVING, the client must have got only answers and
 * CacheErrors, and no callback may have thrown. `--connection S` replays one connection against a server of
 * its own. `--tls`: over mutual TLS and with a policy, and the encrypted bytes of some connections are mutated too.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import type { ServerProcess } from "../test/fuzz/server-process.ts";

const CONCURRENT = 32;
const SERVED_EVERY = 2_000;
const ERRORS_SHOWN = 20;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    connection: { type: "string" },
    tls: { type: "boolean", default: false },
  },
});

// Modules of the tests read it when they are loaded.
if (values.tls) process.env.MESH_TEST_TLS = "on";
const { environmentOf, testTls } = await import("../test/support/test-tls.ts");
const { runConnection } = await import("../test/fuzz/mutated-connections.ts");
const { startMutatingProxy } = await import("../test/fuzz/mutating-proxy.ts");
const { startServerProcess } = await import("../test/fuzz/server-process.ts");
const { CALM } = await import("../test/support/test-workers.ts");

interface ClientReport {
  readonly sessions: number;
  readonly answers: number;
  readonly refusals: number;
  readonly faults: number;
}

/** Runs connections from `seed` upwards, until the time is over or the server has ended. Returns how many. */
async function attack(server: ServerProcess, seed: number, untilMs: number): Promise<number> {
  let next = seed;
  const attacker = async (): Promise<void> => {
    while (performance.now() < untilMs && server.ended === undefined) {
      await runConnection(server.port, next++ % 2 ** 32);
      if ((next - seed) % SERVED_EVERY === 0 && !(await server.isServing())) return;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT }, attacker));
  return next - seed;
}

async function runClient(port: number, seed: number, seconds: number): Promise<ClientReport | string> {
  const child = spawn(
    process.execPath,
    ["test/fuzz/client-process.ts", String(port), String(seed), String(seconds)],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...environmentOf(testTls?.folder) } },
  );
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await once(child, "exit");
  const [stdout, stderr] = await output;
  return code === 0 ? JSON.parse(stdout) : `the client ended with ${code}\n${stderr.slice(0, 4_000)}`;
}

async function fuzz(server: ServerProcess, seconds: number, seed: number): Promise<readonly string[]> {
  const proxy = await startMutatingProxy(server.port, seed);
  const untilMs = performance.now() + 1_000 * seconds;
  const [attacks, client] = await Promise.all([
    attack(server, seed, untilMs),
    runClient(proxy.port, seed, seconds),
  ]);
  proxy.close();
  const faults: string[] = [];
  if (server.ended !== undefined) faults.push(server.ended);
  else {
    if (!(await server.isServing())) faults.push("the server is not SERVING");
    const contained = await server.containedFaults();
    if (contained > 0) faults.push(`${contained} callbacks of the server threw`);
    console.log(`${attacks} connections from seed ${seed}; resident ${server.residentMiB()} MiB at the end`);
  }
  if (typeof client === "string") faults.push(client);
  else {
    const { sessions, answers, refusals } = client;
    if (client.faults > 0) faults.push(`${client.faults} callbacks of the client threw`);
    if (answers === 0) faults.push("the client got no answer");
    console.log(
      `${sessions} clients over ${proxy.connections} mutated connections: ${answers} answers, ${refusals} refusals`,
    );
  }
  return [...faults, ...server.errors.slice(0, ERRORS_SHOWN)];
}

async function replay(server: ServerProcess, seed: number): Promise<readonly string[]> {
  await runConnection(server.port, seed);
  if (server.ended !== undefined) return [server.ended, ...server.errors];
  return (await server.isServing()) ? server.errors : ["the server is not SERVING"];
}

// Nothing is refused because the host is busy: the traffic is the same whenever it is run.
const settings = ["--shed-after-ms", String(CALM.shedAfterMs)];
const server = await startServerProcess(2, { settings });
const seed = Number(values.seed);
const found =
  values.connection === undefined
    ? await fuzz(server, Number(values.seconds), seed)
    : await replay(server, Number(values.connection));
await server.stop();
for (const line of found) console.error(line);
console.log(
  found.length === 0
    ? "nothing found"
    : `found something; run again with --seed ${seed}${values.tls ? " --tls" : ""}`,
);
process.exitCode = found.length === 0 ? 0 : 1;

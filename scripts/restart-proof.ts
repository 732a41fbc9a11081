/**
 * Restarts a real server under real clients: `npm run proof:restarts`. A trace is replayed without a restart, with ten in order,
 * and with ten kills; then fifty clients read while a server is restarted ten times. Fails for a stale read, a gap after a
 * restart in order, a hit ratio that moved by more than a point, or a read that failed. Needs web07.trace.gz in
 * MESHCACHE_TRACES. `--server FILE` starts this executable, such as that of `npm run build:binary`, instead of the sources.
 * `--limit N` replays so many accesses, and `--restarts N` restarts as often.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { replayThroughClients } from "../src/cli/replay/mesh.ts";
import { fromMeshCache, type MeshClient } from "../src/cli/replay/mesh-client.ts";
import { createMeshTally } from "../src/cli/replay/mesh-tally.ts";
import { createOrigin } from "../src/cli/replay/origin.ts";
import { createPayloads } from "../src/cli/replay/payload.ts";
import { readTrace } from "../src/cli/replay/trace.ts";
import { createSeededRng } from "../src/common/random.ts";
import { CacheError, json, MeshCache } from "../src/index.ts";

const SEED = 1;
const LEASE_MS = 5_000;
const READERS = 50;
const READER_KEYS = 200;
/** A second around each restart, in which a read may be slow. */
const RESTART_MS = 1_000;

const { values } = parseArgs({
  options: {
    server: { type: "string" },
    limit: { type: "string", default: "76118" },
    restarts: { type: "string", default: "10" },
  },
});
const RESTARTS = Number(values.restarts);
const folder = mkdtempSync(join(tmpdir(), "meshcache-restarts-"));

class RestartedServer {
  readonly address: string;
  readonly #file: string;
  #child: ChildProcess | undefined;
  /** Of the restarts: from the signal until it serves again. */
  readonly downMs: number[] = [];
  readonly restartedAtMs: number[] = [];

  constructor(port: number, file: string) {
    this.address = `127.0.0.1:${port}`;
    this.#file = file;
  }

  async start(): Promise<void> {
    const argv = [
      "serve",
      "--listen",
      this.address,
      "--admin",
      "off",
      "--snapshot",
      this.#file,
      "--log-level",
      "warn",
    ];
    const command = values.server ?? process.execPath;
    const child = spawn(command, [...(values.server === undefined ? ["src/cli/launch.ts"] : []), ...argv], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    for await (const chunk of child.stdout) if (String(chunk).includes("listens on")) break;
    child.stdout.resume();
  }

  async restart(signal: NodeJS.Signals): Promise<void> {
    const beganMs = performance.now();
    await this.stop(signal);
    await this.start();
    this.downMs.push(performance.now() - beganMs);
    this.restartedAtMs.push(beganMs);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const closed = once(child, "exit");
    child.kill(signal);
    await closed;
  }
}

async function startServer(name: string): Promise<RestartedServer> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  probe.close();
  await once(probe, "close");
  const server = new RestartedServer(port, join(folder, name));
  await server.start();
  return server;
}

/** Asks again while no server answers. */
function patient(client: MeshClient): MeshClient {
  const again = async <Result>(ask: () => Promise<Result>): Promise<Result> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const isAway =
          error instanceof CacheError && ["UNAVAILABLE", "DEADLINE", "DRAINING"].includes(error.reason);
        if (!isAway) throw error;
        await sleep(20);
      }
    }
  };
  return {
    ...client,
    read: (object, load) => again(() => client.read(object, load)),
    invalidateKey: (object) => again(() => client.invalidateKey(object)),
    invalidateTag: (object) => again(() => client.invalidateTag(object)),
    sync: () => again(() => client.sync()),
  };
}

interface Replayed {
  readonly hitRatio: number;
  /** Of the reads, those that near caches answered. */
  readonly nearRatio: number;
  readonly reads: number;
  readonly stale: number;
  readonly gaps: number;
  readonly downMs: readonly number[];
}

async function replay(name: string, signal: NodeJS.Signals | undefined): Promise<Replayed> {
  const traces = process.env.MESHCACHE_TRACES;
  if (traces === undefined) throw new Error("MESHCACHE_TRACES must name the folder of web07.trace.gz");
  const trace = await readTrace(join(traces, "web07.trace.gz"), "web");
  const server = await startServer(name);
  const caches = ["writer", "reader"].map(
    (clientId) =>
      new MeshCache({
        address: server.address,
        clientId,
        plaintext: true,
        leaseMs: LEASE_MS,
        backoffMaxMs: 100,
        onEvent: () => undefined,
      }),
  );
  const [writer, reader] = caches.map((cache) => patient(fromMeshCache(cache, "replay")));
  if (writer === undefined || reader === undefined) throw new Error("there are two clients");
  await Promise.all([writer.sync(), reader.sync()]);
  const tally = createMeshTally();
  const accesses = Math.min(Number(values.limit), trace.accesses);
  const rng = createSeededRng(SEED);
  let restarts = 0;
  let restarting: Promise<void> = Promise.resolve();
  const onProgress = (): void => {
    const due = Math.floor((tally.counts.accesses * (RESTARTS + 1)) / accesses);
    if (signal === undefined || due <= restarts || restarts === RESTARTS) return;
    restarts += 1;
    restarting = restarting.then(() => server.restart(signal));
  };
  await replayThroughClients(
    { trace, accesses, concurrency: 16, batch: 1, writes: 0.02, tagWrites: 0.05 },
    {
      writer,
      reader,
      leaseMs: LEASE_MS,
      origin: createOrigin(),
      payloads: createPayloads(1n, SEED, 512),
      rng,
      tally,
      interrupted: new AbortController().signal,
      onProgress,
    },
  );
  await restarting;
  const gaps = caches.reduce((sum, cache) => sum + cache.stats().connection.gaps, 0);
  await Promise.all(caches.map((cache) => cache.close()));
  await server.stop();
  const { reads, near, remote, stale, wrong } = tally.counts;
  return {
    hitRatio: (near + remote) / reads,
    nearRatio: near / reads,
    reads,
    stale: stale + wrong,
    gaps,
    downMs: server.downMs,
  };
}

const faults: string[] = [];
const must = (holds: boolean, what: string): void => {
  if (!holds) faults.push(what);
};
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
const longest = (ms: readonly number[]): string => `${Math.round(Math.max(0, ...ms))} ms`;

function tell(title: string, { hitRatio, nearRatio, reads, stale, gaps, downMs }: Replayed): void {
  const down = downMs.length === 0 ? "" : ` · away for at most ${longest(downMs)}`;
  console.log(
    `${title.padEnd(24)} hit ratio ${percent(hitRatio)}, ${percent(nearRatio)} near, of ${reads} reads · ${stale} stale · ${gaps} gaps${down}`,
  );
}

/** Clients that read, and load from a source of their own when no server answers. */
async function readThrough(): Promise<void> {
  const server = await startServer("readers");
  const caches = Array.from(
    { length: READERS },
    () =>
      new MeshCache({
        address: server.address,
        plaintext: true,
        backoffMaxMs: 100,
        onEvent: () => undefined,
      }),
  );
  const spaces = caches.map((cache) => cache.namespace("rows", { codec: json<string>() }));
  let failed = 0;
  let reads = 0;
  let over = false;
  const slow: { readonly atMs: number; readonly ms: number }[] = [];
  const run = async (index: number): Promise<void> => {
    const rng = createSeededRng(index);
    while (!over) {
      const key = `k${Math.floor(READER_KEYS * rng.fraction() ** 2)}`;
      const atMs = performance.now();
      try {
        await spaces[index]?.getOrLoad(key, async () => `row of ${key}`);
      } catch {
        failed += 1;
      }
      reads += 1;
      slow.push({ atMs, ms: performance.now() - atMs });
      await sleep(5 + 20 * rng.fraction());
    }
  };
  const running = caches.map((_, index) => run(index));
  await sleep(2_000);
  for (let restart = 0; restart < RESTARTS; restart++) {
    await server.restart("SIGTERM");
    await sleep(2_000);
  }
  over = true;
  await Promise.all(running);
  const gaps = caches.reduce((sum, cache) => sum + cache.stats().connection.gaps, 0);
  await Promise.all(caches.map((cache) => cache.close({ graceMs: 0 })));
  await server.stop();
  const isOutside = (atMs: number): boolean =>
    server.restartedAtMs.every((beganMs, index) => {
      const endMs = beganMs + Math.max(RESTART_MS, server.downMs[index] ?? 0);
      return atMs < beganMs - 50 || atMs > endMs;
    });
  const outside = slow.filter(({ atMs }) => isOutside(atMs)).map(({ ms }) => ms);
  const p99 = outside.sort((one, other) => one - other)[Math.floor(outside.length * 0.99)] ?? 0;
  console.log(
    `${`${READERS} clients, restarted`.padEnd(24)} ${reads} reads · ${failed} failed · ${gaps} gaps · p99 ${p99.toFixed(1)} ms outside of restarts · away for at most ${longest(server.downMs)}`,
  );
  must(failed === 0, "a read failed although its loader did not");
  must(gaps === 0, "a client had a gap after a restart in order");
  must(p99 < 50, "reads outside of restarts were slow");
}

try {
  const none = await replay("none", undefined);
  tell("no restart", none);
  const clean = await replay("clean", "SIGTERM");
  tell(`${RESTARTS} restarts in order`, clean);
  must(clean.stale === 0, "a read was stale over a restart in order");
  must(clean.gaps === 0, "a restart in order was a gap");
  must(Math.abs(clean.hitRatio - none.hitRatio) <= 0.01, "the hit ratio moved by more than a point");
  must(clean.nearRatio >= none.nearRatio - 0.01, "near caches lost copies over a restart in order");
  const killed = await replay("killed", "SIGKILL");
  tell(`${RESTARTS} kills`, killed);
  must(killed.stale === 0, "a read was stale after a kill");
  must(killed.gaps === 2 * RESTARTS, "a kill was not one gap for each client");
  await readThrough();
} finally {
  rmSync(folder, { recursive: true });
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;

/** Tests the real executable, since signals, ports and pipes belong to a process. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import { CacheService } from "../../../gen/meshcache/v1/cache_pb.ts";
import { SERVER_V8_FLAGS } from "../../../src/cli/v8-flags.ts";
import { MeshCache } from "../../../src/index.ts";
import { createServiceClient, type ServiceClient } from "../../../src/rpc/client.ts";
import { bundledCommand } from "../../support/bundled-command.ts";
import { Captured, runCommand } from "../../support/command-line.ts";
import { startServer } from "../../support/running-server.ts";
import { CALM } from "../../support/test-workers.ts";

interface Spawned {
  readonly child: ChildProcess;
  readonly stdout: Captured;
  readonly stderr: Captured;
  /** The exit code, or the name of the signal. */
  readonly ended: Promise<number | string>;
}

const COMMAND = await bundledCommand();
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function start(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Spawned {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MESHCACHE|OTEL)_/.test(name));
  const child = spawn(process.execPath, [...SERVER_V8_FLAGS, COMMAND, ...argv], {
    env: {
      ...Object.fromEntries(inherited),
      MESHCACHE_SHED_AFTER_MS: `${CALM.shedAfterMs}`,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  const [stdout, stderr] = [new Captured(), new Captured()];
  child.stdout.pipe(stdout);
  child.stderr.pipe(stderr);
  const ended = once(child, "close").then(
    ([code, signal]: (number | string | null)[]) => code ?? signal ?? "unknown",
  );
  return { child, stdout, stderr, ended };
}

const anyPort = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];

async function serving(
  ...argv: string[]
): Promise<Spawned & { readonly address: string; readonly admin: string }> {
  const spawned = start(["serve", ...anyPort, ...argv]);
  await spawned.stdout.until(/Try it/);
  const text = spawned.stdout.text();
  return {
    ...spawned,
    address: /listens on (\S+)/.exec(text)?.[1] ?? "",
    admin: /health on (\S+)/.exec(text)?.[1] ?? "",
  };
}

describe("meshcache serve", () => {
  it("prints where it listens, serves, and drains at SIGTERM", async () => {
    const { child, stdout, stderr, ended, address, admin } = await serving("--shards", "4");
    expect(stdout.text()).toContain(`set greeting hello --address ${address} && `);
    const argv = ["--address", address];
    expect((await runCommand(["set", "greeting", "hello", ...argv])).exitCode).toBe(0);
    expect((await runCommand(["get", "greeting", ...argv])).stdout).toBe("hello");
    expect((await runCommand(["stats", ...argv])).stdout).toContain("on 4 shards");
    const namespaces = (await runCommand(["stats", "--namespaces", ...argv])).stdout;
    expect(namespaces).toMatch(/namespace +entries +memory +floor +ceiling +reads/);
    expect(namespaces).toMatch(/default +1 /);
    expect(namespaces).toContain("(others)");
    expect((await fetch(`${admin}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${admin}/metrics`)).text()).toContain("meshcache");

    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    const logged = stderr.lines().map((line): unknown => JSON.parse(line).msg);
    expect(logged).toEqual(["serving", "draining", "stopped"]);
  });

  it("says what protects it, in its first lines and its log, and warns where that is nothing", async () => {
    const closed = await serving("--workers", "1");
    expect(closed.stdout.text()).toContain("\nsecurity: loopback only, plaintext, anonymous, ");
    expect(closed.stdout.text()).not.toContain("WARNING");
    expect(JSON.parse(closed.stderr.lines()[0] ?? "")).toMatchObject({
      msg: "serving",
      tls: false,
      identities: [],
      policy: false,
    });
    const open = await serving("--workers", "1", "--listen", "0.0.0.0:0", "--plaintext", "--anonymous");
    expect(open.stdout.text()).toMatch(
      /\nsecurity: plaintext, anonymous, .*\nWARNING: .*plaintext.*anonymous/,
    );
    expect(JSON.parse(open.stderr.lines()[0] ?? "")).toMatchObject({
      level: "warn",
      msg: expect.stringMatching(/plaintext.*anonymous/),
    });
  });

  it.runIf(process.platform === "linux")(
    "starts a thread for each worker, and none for one alone",
    async () => {
      const serversOf = async (workers: number) => {
        const { child, stdout, address } = await serving("--workers", String(workers));
        expect(stdout.text()).toContain(
          `listens on ${address} with ${workers} worker${workers > 1 ? "s" : ""}\n`,
        );
        const names = globSync(`/proc/${child.pid}/task/*/comm`).map((path) =>
          readFileSync(path, "utf8").trim(),
        );
        return names.filter((name) => name.startsWith("server")).sort();
      };
      expect(await serversOf(1)).toEqual([]);
      expect(await serversOf(3)).toEqual(["server 0", "server 1", "server 2"]);
    },
  );

  it("serves from several workers as from one: one store, one set of metrics, one admin port, one drain", async () => {
    const { child, stderr, ended, address, admin } = await serving("--workers", "3");
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => connect(address)));
    await clients[0]?.unary(CacheService.method.set, { namespace: "users", key: "1" });
    const found = await Promise.all(
      clients.map((client) => client.unary(CacheService.method.get, { namespace: "users", key: "1" })),
    );
    expect(found.map(({ outcome }) => outcome.case)).toEqual(clients.map(() => "hit"));

    const text = await (await fetch(`${admin}/metrics`)).text();
    const samples = text.split("\n").filter((line) => !line.startsWith("#"));
    expect(samples).toContain('meshcache_reads_total{meshcache_outcome="hit"} 30');
    expect(samples).toContain(`meshcache_connections ${CLIENTS}`);
    const ofGet = samples.filter((line) => line.includes("CacheService/Get"));
    const counts = ofGet.filter((line) => line.startsWith("rpc_server_call_duration_count"));
    expect(counts.map((line) => line.split(" ").at(-1))).toEqual([String(CLIENTS)]);
    expect(ofGet.find((line) => line.includes('le="+Inf"'))).toMatch(/ 30$/);
    for (const name of ["meshcache_subscribers_lag", "nodejs_eventloop_delay_max", "meshcache_subscribers"]) {
      expect(samples.filter((line) => line.startsWith(`${name} `))).toHaveLength(1);
    }

    const keptOpen = await Promise.all(clients.map(async (client) => openStream(client)));
    const told = keptOpen.map(async (stream) => {
      for await (const { frame } of stream) if (frame.case === "draining") return true;
      return false;
    });
    child.kill("SIGTERM");
    expect(await Promise.all(told)).toEqual(keptOpen.map(() => true));
    expect((await fetch(`${admin}/readyz`)).status).toBe(503);
    for (const client of clients) client.close();
    expect(await ended).toBe(0);
    expect(stderr.lines().map((line): unknown => JSON.parse(line).msg)).toEqual([
      "serving",
      "draining",
      "stopped",
    ]);
  });

  it("logs the last lines of its workers too, each with the number of the worker", async () => {
    const { child, stdout, stderr, ended } = start(["serve", ...anyPort, "--workers", "2"], {
      // Nothing listens there, so each worker with a span to send logs that at its end.
      OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
      OTEL_METRICS_EXPORTER: "none",
    });
    await stdout.until(/Try it/);
    const address = /listens on (\S+)/.exec(stdout.text())?.[1] ?? "";
    const clients = Array.from({ length: CLIENTS }, () => connect(address));
    const key = { namespace: "users", key: "1" };
    await Promise.all(clients.map((client) => client.unary(CacheService.method.get, key)));
    for (const client of clients) client.close();
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    const logged = stderr.lines().map((line): { worker?: number; msg: string } => JSON.parse(line));
    expect(new Set(logged.map(({ worker }) => worker))).toEqual(new Set([undefined, 0, 1]));
    expect(logged.at(-1)?.msg).toBe("stopped");
  });

  it("exits with 70, and says why, when a worker has ended", async () => {
    const folder = mkdtempSync(join(tmpdir(), "meshcache-crash-"));
    const [cue, plant] = [join(folder, "cue"), join(folder, "plant.mjs")];
    writeFileSync(plant, plantedFault(cue));
    const { ended, stdout, stderr } = start(["serve", ...anyPort, "--workers", "2"], {
      NODE_OPTIONS: `--import=${plant}`,
    });
    await stdout.until(/Try it/);
    writeFileSync(cue, "");
    expect(await ended).toBe(70);
    const lines = stderr.lines();
    expect(lines.at(-1)).toBe("meshcache: worker thread 1 ended: a planted fault");
    const logged = lines.slice(0, -1).map((line): unknown => JSON.parse(line));
    expect(logged.at(-1)).toMatchObject({
      level: "error",
      worker: 1,
      msg: "a worker ended, and the server with it",
      err: { message: "a planted fault" },
    });
    rmSync(folder, { recursive: true });
  });

  it.each([["1"], ["3"]])("ends at once at the second signal with %s workers", async (workers) => {
    const argv = ["--drain-max-ms", "10min", "--workers", workers];
    const { child, stderr, ended, address } = await serving(...argv);
    const keptOpen = await startStubbornStream(address);
    child.kill("SIGTERM");
    await stderr.until(/"draining"/);
    child.kill("SIGTERM");
    expect(await ended).toBe(143);
    keptOpen();
  });

  it.runIf(process.platform === "linux").each(["1", "2"])(
    "says that the system has no memory for the store, and exits with 2, with %s workers",
    (workers) => {
      // 16 GiB are asked for.
      const command = `ulimit -v ${12 * 2 ** 20} && exec "$0" "$@"`;
      const argv = ["src/cli/main.ts", "serve", ...anyPort, "--workers", workers, "--log-max-bytes", "1GiB"];
      const { status, stderr } = spawnSync("sh", ["-c", command, process.execPath, ...argv], {
        encoding: "utf8",
      });
      expect(stderr).toBe(
        "meshcache: the system does not give the memory for a store of 256 MiB (storeBudgetBytes) on 16 shards " +
          "with its fences and leases, and logs of 1 GiB (logMaxBytes)\n",
      );
      expect(status).toBe(2);
    },
  );

  it.runIf(process.platform === "linux")("says that the system has no memory for the logs of a tier", () => {
    // 32 GiB are asked for.
    const command = `ulimit -v ${12 * 2 ** 20} && exec "$0" "$@"`;
    const tier = ["--tier", "valkey://127.0.0.1:1", "--log-max-bytes", "256MiB"];
    const argv = ["src/cli/main.ts", "serve", ...anyPort, ...tier];
    const { status, stderr } = spawnSync("sh", ["-c", command, process.execPath, ...argv], {
      encoding: "utf8",
    });
    expect(stderr).toBe(
      "meshcache: the system does not give the memory for the event logs of a tier, " +
        "two of 256 MiB (logMaxBytes) for each of its shards\n",
    );
    expect(status).toBe(2);
  });

  it("refuses a budget that its shards cannot have, and exits with 2", async () => {
    const { ended, stderr } = start(["serve", ...anyPort, "--store-budget-bytes", "32GiB"]);
    expect(await ended).toBe(2);
    expect(stderr.text()).toContain("  --store-budget-bytes: storeBudgetBytes (32 GiB) must be 1 MiB to ");
  });

  it("says that a port is taken, and exits with 3", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    const port = typeof address === "object" ? address?.port : 0;
    const [listen, threads, admin] = [
      start(["serve", ...anyPort, "--listen", `127.0.0.1:${port}`, "--workers", "1"]),
      start(["serve", ...anyPort, "--listen", `127.0.0.1:${port}`, "--workers", "2"]),
      start(["serve", ...anyPort, "--admin", `127.0.0.1:${port}`]),
    ];
    expect(await Promise.all([listen.ended, threads.ended, admin.ended])).toEqual([3, 3, 3]);
    taken.close();
    for (const { stderr } of [listen, threads]) {
      expect(stderr.text()).toContain(
        `meshcache: cannot listen on 127.0.0.1:${port}: something else listens there; --listen names another address\n`,
      );
    }
    expect(admin.stderr.text()).toContain(
      "--admin names another address (port 0 picks a free one, off starts none)\n",
    );
  });
});

describe("meshcache, the executable", () => {
  it("ends quietly when the reader of its output has closed it", async () => {
    const running = await startServer();
    const { child, stderr, ended } = start(["watch", "--address", running.address]);
    await stderr.until(/watching/);
    child.stdout?.destroy();
    // The writer of a pipe learns that its reader has gone only when it writes.
    await runCommand(["invalidate", "--all", "--address", running.address]);
    expect(await ended).toBe(141);
    expect(stderr.lines()).toHaveLength(1);
    await running.stop();
  });

  it("exits with 70 at an uncaught error, which it reports on one line", async () => {
    const running = await startServer();
    const fault = "data:text/javascript,process.on('SIGUSR2',()=>{throw%20new%20Error('a%5Cnfault')})";
    const argv = ["watch", "--address", running.address];
    const { child, ended, stderr } = start(argv, { NODE_OPTIONS: `--import=${fault}` });
    await stderr.until(/watching/);
    child.kill("SIGUSR2");
    expect(await ended).toBe(70);
    expect(stderr.text()).toMatch(/^meshcache: a\\nfault$/m);
    await running.stop();
  });

  it("lives until its command ends, also while only an unreferenced timer is pending", async () => {
    const running = await startServer();
    const folder = mkdtempSync(join(tmpdir(), "meshcache-replay-"));
    const trace = join(folder, "web.trace");
    writeFileSync(trace, randomBytes(400_000));
    const cache = new MeshCache({ address: running.address });
    const events = cache.namespace("replay").subscribe();
    await cache.sync();
    const { ended, stderr } = start(["replay", trace, "--client", "--address", running.address]);
    for await (const event of events) if (event.kind === "set") break;
    await cache.close();
    await running.stop();
    expect(await ended).toBe(3);
    expect(stderr.text()).toMatch(/^meshcache: no server answers at /);
    rmSync(folder, { recursive: true });
  });
});

/** A module that makes the second worker throw, outside of any call, once a file exists. */
function plantedFault(cue: string): string {
  return `
    import { existsSync } from "node:fs";
    import { isMainThread, workerData } from "node:worker_threads";
    if (!isMainThread && workerData.thread === 1) {
      setInterval(() => {
        if (existsSync(${JSON.stringify(cue)})) throw new Error("a planted fault");
      }, 10);
    }`;
}

/** Enough for each of 3 workers to get some of them. */
const CLIENTS = 30;

/** A client with a connection of its own. */
function connect(address: string): ServiceClient {
  return createServiceClient(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
}

async function openStream(client: ServiceClient) {
  const stream = client.serverStream(CacheService.method.stream, { namespace: "default" });
  await once(stream, "data");
  return stream;
}

/** A subscriber that ignores that the server drains, as a foreign client may. */
async function startStubbornStream(address: string): Promise<() => void> {
  const client = connect(address);
  const stream = await openStream(client);
  stream.on("error", () => {});
  stream.on("data", () => {});
  return () => client.close();
}

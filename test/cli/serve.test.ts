/** The real executable, since signals, ports and pipes belong to a process. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { MeshCache } from "../../src/index.ts";
import { Captured, runCommand } from "../support/command-line.ts";
import { startServer } from "../support/running-server.ts";

interface Spawned {
  readonly child: ChildProcess;
  readonly stdout: Captured;
  readonly stderr: Captured;
  /** The exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
}

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function start(argv: readonly string[], env: Readonly<Record<string, string>> = {}): Spawned {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MESHCACHE|OTEL)_/.test(name));
  const child = spawn(process.execPath, ["src/cli/main.ts", ...argv], {
    env: { ...Object.fromEntries(inherited), ...env },
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
    expect((await fetch(`${admin}/readyz`)).status).toBe(200);
    expect(await (await fetch(`${admin}/metrics`)).text()).toContain("meshcache");

    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    const logged = stderr.lines().map((line): unknown => JSON.parse(line).msg);
    expect(logged).toEqual(["serving", "draining", "stopped"]);
  });

  it("ends at once at the second signal", async () => {
    const { child, stderr, ended, address } = await serving("--drain-max-ms", "10min");
    const keptOpen = await startStubbornStream(address);
    child.kill("SIGTERM");
    await stderr.until(/"draining"/);
    child.kill("SIGTERM");
    expect(await ended).toBe(143);
    keptOpen();
  });

  it("says clearly that a port is taken, and exits with 3", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    const port = typeof address === "object" ? address?.port : 0;
    const [listen, admin] = [
      start(["serve", ...anyPort, "--listen", `127.0.0.1:${port}`]),
      start(["serve", ...anyPort, "--admin", `127.0.0.1:${port}`]),
    ];
    expect([await listen.ended, await admin.ended]).toEqual([3, 3]);
    taken.close();
    expect(listen.stderr.text()).toContain(
      `meshcache: cannot listen on 127.0.0.1:${port}: something else listens there; --listen names another\n`,
    );
    expect(admin.stderr.text()).toContain(
      "--admin names another (port 0 picks a free one, off does without)\n",
    );
  });
});

describe("meshcache, the executable", () => {
  it("ends quietly when whoever read its output has gone", async () => {
    const running = await startServer();
    const { child, stderr, ended } = start(["watch", "--address", running.address]);
    await stderr.until(/watching/);
    child.stdout?.destroy();
    // A pipe tells that its reader has gone only to who writes into it.
    await runCommand(["invalidate", "--all", "--address", running.address]);
    expect(await ended).toBe(141);
    expect(stderr.lines()).toHaveLength(1);
    await running.stop();
  });

  it("exits with 70 at a fault that no command has caught, in one line", async () => {
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

  it("lives until its command has ended, though nothing but a timer is left of it", async () => {
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

/** A subscriber that stays when the server asks it to go, as a client may that knows no better. */
async function startStubbornStream(address: string): Promise<() => void> {
  const { credentials } = await import("@grpc/grpc-js");
  const { CacheService } = await import("../../gen/meshcache/v1/cache_pb.ts");
  const { createServiceClient } = await import("../../src/wire/service-client.ts");
  const client = createServiceClient(address, credentials.createInsecure());
  const stream = client.serverStream(CacheService.method.stream, { namespace: "default" });
  stream.on("error", () => {});
  stream.on("data", () => {});
  await once(stream, "data");
  return () => client.close();
}

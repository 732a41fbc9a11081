import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSeededRng } from "../../../src/common/random.ts";
import { type FinishedCommand, runCommand, startCommand } from "../../support/command-line.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";

const TRACES = process.env.MESHCACHE_TRACES ?? "../shared/data";
const WEB07 = join(TRACES, "web07.trace.gz");

let running: RunningServer;
let folder: string;
beforeAll(async () => {
  running = await startServer();
  folder = mkdtempSync(join(tmpdir(), "meshcache-replay-"));
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await running.stop();
});

function toTrace(ids: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * ids.length);
  for (const [index, id] of ids.entries()) bytes.writeInt32BE(id, 4 * index);
  return bytes;
}

function writeTrace(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Many reads of few objects, of 32 types when the trace is orm. */
function randomIds(accesses: number, objects: number): number[] {
  const rng = createSeededRng(7);
  return Array.from({ length: accesses }, () => {
    const object = Math.floor(rng.fraction() ** 2 * objects);
    return ((object % 32) << 27) | object;
  });
}

const replay = (...argv: string[]): Promise<FinishedCommand> =>
  runCommand(["replay", "--address", running.address, ...argv]);

interface Result {
  readonly accesses: number;
  readonly reads: number;
  readonly hits: number;
  readonly checked: number;
  readonly stale: number;
  readonly wrong: number;
  readonly lost: number;
  readonly keyWrites: number;
  readonly tagWrites: number;
  readonly hitRatio: number;
  readonly seconds: number;
}
const resultOf = ({ stdout }: FinishedCommand): Result => JSON.parse(stdout);

describe("meshcache replay", () => {
  it.each([
    ["web-calls.trace", "1", "32"],
    ["orm-batches.trace", "16", "8"],
  ])("finds no stale read in %s under many writes", async (name, batch, concurrency) => {
    const path = writeTrace(name, toTrace(randomIds(6_000, 300)));
    const options = [
      "--writes",
      "0.1",
      "--tag-writes",
      "0.2",
      "--batch",
      batch,
      "--concurrency",
      concurrency,
    ];
    const finished = await replay(path, ...options, "--json");
    expect(finished).toMatchObject({ exitCode: 0, stderr: "" });
    const result = resultOf(finished);
    expect(result).toMatchObject({ accesses: 6_000, stale: 0, wrong: 0 });
    expect(result.reads + result.keyWrites + result.tagWrites).toBe(6_000);
    expect(result.checked).toBeGreaterThanOrEqual(result.hits);
    expect(result.hits).toBeGreaterThan(500);
    expect(result.tagWrites).toBeGreaterThan(50);
  });

  it("finds no stale read through two clients under many writes", async () => {
    const path = writeTrace("orm-clients.trace", toTrace(randomIds(6_000, 300)));
    const options = ["--client", "--writes", "0.1", "--tag-writes", "0.2", "--concurrency", "32"];
    const finished = await replay(path, ...options, "--json");
    expect(finished).toMatchObject({ exitCode: 0, stderr: "" });
    const result = JSON.parse(finished.stdout);
    expect(result).toMatchObject({ accesses: 6_000, clients: 2, stale: 0, staleOwn: 0, wrong: 0 });
    expect(result.near).toBeGreaterThan(500);
    expect(result.latency.near.p50Ms).toBeLessThan(result.latency.remote.p50Ms);
  });

  it("describes the result of two clients", async () => {
    const path = writeTrace("web-told.trace", toTrace(randomIds(3_000, 50)));
    const { exitCode, stdout } = await replay(path, "--client", "--limit", "2000", "--seed", "3");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^web-told\.trace \(web\), seed 3, 16 in flight, two clients with near caches/);
    expect(stdout).toMatch(/^ {2}near hits +[\d.]+ % {2}[\d,]+ of [\d,]+ reads · /m);
    expect(stdout).toMatch(/^ {2}stale reads +0 {2}of [\d,]+ values checked · 0 of own writes$/m);
    expect(stdout).toMatch(/^ {2}deliver( +[\d.]+ [mµ]s){4}$/m);
  });

  it("refuses --batch with --client: clients batch by themselves", async () => {
    const finished = await replay("web", "--client", "--batch", "8");
    expect(finished).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--batch") });
  });

  it("reads gzip, replays only the first accesses, and describes the result", async () => {
    const path = writeTrace("web.trace.gz", gzipSync(toTrace(randomIds(5_000, 50))));
    const { exitCode, stdout } = await replay(path, "--limit", "1000", "--seed", "3");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^web\.trace\.gz \(web\), seed 3, 16 in flight, batches of 16\n/);
    expect(stdout).toMatch(/^ {2}throughput +[\d,]+\/s {2}1,000 accesses in /m);
    expect(stdout).toMatch(/^ {2}stale reads +0 {2}of [\d,]+ values checked$/m);
    expect(stdout).toMatch(/^ {2}latency +p50 +p99 +p99\.9 +max$/m);
  });

  it("leaves its namespace empty", async () => {
    await replay(writeTrace("web-clean.trace", toTrace([1, 2, 3])), "--namespace", "clean");
    const left = await runCommand(["get", "page:1", "--namespace", "clean", "--address", running.address]);
    expect(left.exitCode).toBe(1);
  });

  it("notices another writer in its namespace", async () => {
    const path = writeTrace("web-shared.trace", toTrace(Array.from({ length: 3_000 }, () => 5)));
    const command = startCommand([
      "replay",
      path,
      "--address",
      running.address,
      "--namespace",
      "shared",
      "--json",
    ]);
    await runCommand([
      "set",
      "page:5",
      "not from the replay",
      "--namespace",
      "shared",
      "--address",
      running.address,
    ]);
    let exitCode: number | undefined;
    void command.exitCode.then((code) => {
      exitCode = code;
    });
    while (exitCode === undefined) {
      await runCommand(["set", "page:5", "nor this", "--namespace", "shared", "--address", running.address]);
    }
    expect(exitCode).toBe(6);
    expect(JSON.parse(command.stdout.text()).wrong).toBeGreaterThan(0);
  });

  it("draws a progress bar on a terminal", async () => {
    const path = writeTrace("web-bar.trace", toTrace(randomIds(2_000, 50)));
    const command = startCommand(["replay", path, "--address", running.address], { tty: true });
    expect(await command.exitCode).toBe(0);
    expect(command.stderr.text()).toMatch(/[█░]{24} \d+ % · [\d,]+ of 2,000 · hits .* · stale 0/);
  });

  it("reports a file that is missing, broken or of no known format, and replays nothing", async () => {
    expect(await replay(join(folder, "none.trace"))).toMatchObject({
      exitCode: 7,
      stdout: "",
      stderr: expect.stringMatching(
        /^meshcache: cannot read the trace .* \(ENOENT\); nothing was replayed\n$/,
      ),
    });
    expect(await replay(writeTrace("web-odd", Buffer.alloc(7)))).toMatchObject({ exitCode: 2 });
    expect(await replay(writeTrace("web-empty", Buffer.alloc(0)))).toMatchObject({ exitCode: 2 });
    expect(await replay(writeTrace("web-cut.gz", gzipSync(Buffer.alloc(400)).subarray(0, 20)))).toMatchObject(
      {
        exitCode: 2,
      },
    );
    expect((await replay(writeTrace("other", Buffer.alloc(8)))).stderr).toMatch(/--format must say/);
  });

  it.each([
    ["by calls", []],
    ["through clients", ["--client"]],
  ])("ends with the server, and at a signal, %s", async (_how, options) => {
    const path = writeTrace("web-long.trace", toTrace(randomIds(200_000, 1_000)));
    const doomed = await startServer();
    const orphan = startCommand(["replay", path, "--address", doomed.address, ...options], { tty: true });
    await orphan.stderr.until(/ [1-9][\d,]* of 200,000/);
    await doomed.stop();
    expect(await orphan.exitCode).toBe(3);

    const stopped = startCommand(["replay", path, "--address", running.address, ...options], { tty: true });
    await stopped.stderr.until(/ [1-9][\d,]* of 200,000/);
    stopped.interrupt("SIGINT");
    expect(await stopped.exitCode).toBe(130);
    expect(stopped.stdout.text()).toBe("");
    const left = await runCommand(["get", "page:0", "--namespace", "replay", "--address", running.address]);
    expect(left.exitCode).toBe(1);
  });

  const found = existsSync(WEB07);
  if (!found) console.log(`web07: skipped, ${WEB07} is not there (MESHCACHE_TRACES names another folder)`);
  it.runIf(found)("finds no stale read in web07, whole", { timeout: 120_000 }, async () => {
    const result = resultOf(await replay(WEB07, "--batch", "32", "--json"));
    expect(result).toMatchObject({ accesses: 76_118, stale: 0, wrong: 0 });
    expect(result.hitRatio).toBeGreaterThan(0.5);
    console.log(
      `web07: ${result.accesses} accesses in ${result.seconds.toFixed(1)} s, 0 of ${result.checked} reads stale`,
    );
  });

  it.runIf(found)("finds no stale read of two clients in web07, whole", { timeout: 120_000 }, async () => {
    const finished = await replay(WEB07, "--client", "--concurrency", "256", "--json");
    const result = JSON.parse(finished.stdout);
    expect(result).toMatchObject({ accesses: 76_118, stale: 0, wrong: 0 });
    expect(result.nearRatio).toBeGreaterThan(0.4);
  });
});

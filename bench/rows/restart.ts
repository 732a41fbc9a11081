/** Rows 13 and 14: a snapshot and a start, compared with the file of redis-server and its start. */
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Comparison, emptyRow, type Row } from "../comparison.ts";
import type { RemoteLoad } from "../load/remote-load.ts";
import { type BundledServer, makeBundle, startBundledServer } from "../ours/bundled-server.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import { type RedisServer, redisProgram, saveRedis, startRedisServer } from "../peers/redis-server.ts";
import type { Child } from "../process/child.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { RemoteClientName } from "../remote-cache.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";

const loadFile = new URL("../load/remote-load.ts", import.meta.url);
const singleFile = fileURLToPath(
  new URL(`../../dist/meshcache-${process.platform}-${process.arch}`, import.meta.url),
);
const VALUE_BYTES = 100;
/** More than an entry takes, with room for what is not spread evenly. */
const BUDGET_AN_ENTRY = 400;
const BUDGET_MIN_BYTES = 64 * 2 ** 20;
const peerName = "redis-server";

interface Restart {
  readonly writtenPerSecond: number;
  readonly loadedPerSecond: number;
  /** From the start of the process until a client has its first answer. */
  readonly answerMs: number;
}

export const restart: Comparison = {
  name: "restart",
  ids: ["13"],
  title:
    "a snapshot written, loaded, and a restart with it, compared with SAVE and a restart of redis-server",
  needs: ["redis-server", "ioredis"],
  steps: (plan) => 2 + 2 * plan.pairs,
  async run(session) {
    const { entries } = session.plan;
    await using load = session.start<RemoteLoad>("other", loadFile);
    await using ours = await openOurs(session, load);
    await using peer = await openRedis(session, load);
    const pairs = await interleave(session, "restarting", { ours: ours.restart, peer: peer.restart });
    const common = {
      id: "13",
      peerName,
      note: `${entries.toLocaleString("en")} entries of 120 B, both on the same disk; two workers, from the bundle`,
    };
    const rates = { ...common, unit: "entries/s", target: targets.snapshotOverRedis };
    return [
      ratioRow({ ...rates, name: "snapshot written" }, each(pairs, "writtenPerSecond")),
      ratioRow({ ...rates, name: "snapshot loaded" }, each(pairs, "loadedPerSecond")),
      ratioRow(
        { ...common, name: "start with the entries to the first answer", unit: "ms", better: "lower" },
        each(pairs, "answerMs"),
      ),
    ];
  },
};

function each(pairs: readonly Pair<Restart>[], figure: keyof Restart): readonly Pair<number>[] {
  return pairs.map(({ ours, peer }) => ({ ours: ours[figure], peer: peer[figure] }));
}

interface Restarted extends AsyncDisposable {
  restart(): Promise<Restart>;
}

async function fill(session: Session, load: Child<RemoteLoad>, client: RemoteClientName, port: number) {
  const { entries, seed } = session.plan;
  session.step("filling");
  await load.call("connect", client, `${LOOPBACK}:${port}`);
  await load.call("fill", entries, VALUE_BYTES, seed);
  await load.call("close");
}

async function openOurs(session: Session, load: Child<RemoteLoad>): Promise<Restarted> {
  const { entries } = session.plan;
  const budgetBytes = Math.max(BUDGET_MIN_BYTES, entries * BUDGET_AN_ENTRY);
  const command = await makeBundle();
  let server: BundledServer = await startBundledServer(command, { budgetBytes });
  await fill(session, load, "meshcache", server.port);
  return {
    async restart() {
      const writeMs = await server.stop();
      const beganMs = performance.now();
      server = await startBundledServer(command, { budgetBytes });
      await load.call("connectIdle", "meshcache", `${LOOPBACK}:${server.port}`, 1);
      return toRestart(entries, writeMs, server.loadMs, performance.now() - beganMs);
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      command[Symbol.dispose]();
    },
  };
}

async function openRedis(session: Session, load: Child<RemoteLoad>): Promise<Restarted> {
  const { entries } = session.plan;
  const folder = mkdtempSync(join(tmpdir(), "meshcache-bench-redis-"));
  let server: RedisServer = await startRedisServer(undefined, "redis-server", folder);
  await fill(session, load, "ioredis", server.port);
  return {
    async restart() {
      const writeMs = await saveRedis(server.port);
      await server.stop();
      const beganMs = performance.now();
      server = await startRedisServer(undefined, "redis-server", folder);
      await load.call("connectIdle", "ioredis", `${LOOPBACK}:${server.port}`, 1);
      return toRestart(entries, writeMs, server.loadMs, performance.now() - beganMs);
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function toRestart(
  entries: number,
  writeMs: number | undefined,
  loadMs: number | undefined,
  answerMs: number,
): Restart {
  if (writeMs === undefined || loadMs === undefined)
    throw new Error("a server did not say how long its file took");
  const perSecond = (ms: number): number => (entries / ms) * 1_000;
  return { writtenPerSecond: perSecond(writeMs), loadedPerSecond: perSecond(loadMs), answerMs };
}

export const startUp: Comparison = {
  name: "start-up",
  ids: ["14"],
  title: "the start of an empty server and the size of its program, beside redis-server",
  needs: ["redis-server", "ioredis"],
  steps: (plan) => 2 * plan.pairs,
  async run(session) {
    await using load = session.start<RemoteLoad>("other", loadFile);
    using command = await makeBundle();
    const firstAnswer = async (
      client: RemoteClientName,
      start: () => Promise<AsyncDisposable & { readonly port: number }>,
    ): Promise<number> => {
      const beganMs = performance.now();
      await using server = await start();
      await load.call("connectIdle", client, `${LOOPBACK}:${server.port}`, 1);
      return performance.now() - beganMs;
    };
    const pairs = await interleave(session, "starting", {
      ours: () =>
        firstAnswer("meshcache", () => startBundledServer(command, { budgetBytes: BUDGET_MIN_BYTES })),
      peer: () => firstAnswer("ioredis", () => startRedisServer()),
    });
    const row: Row = ratioRow(
      {
        id: "14",
        name: "start of an empty server to the first answer",
        unit: "ms",
        peerName,
        better: "lower",
        note: "two workers, from the bundle; from the second start on, with V8's compile cache",
      },
      pairs,
    );
    return [row, sizeRow()];
  },
};

function sizeRow(): Row {
  const name = "size of the program";
  if (!existsSync(singleFile)) return emptyRow("14", name, "skipped", "npm run build:binary makes it");
  const megabytes = (file: string): number => statSync(file).size / 1e6;
  const note = "the single file with Node in it; redis-server needs libraries of the system";
  return ratioRow({ id: "14", name, unit: "MB", peerName, better: "lower", note }, [
    { ours: megabytes(singleFile), peer: megabytes(redisProgram()) },
  ]);
}

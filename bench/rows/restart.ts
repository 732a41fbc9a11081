/** Row 13: a snapshot, and a start with it, compared with the file of redis-server and its start. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Comparison, Row } from "../comparison.ts";
import type { RemoteLoad } from "../load/remote-load.ts";
import {
  type BundledCommand,
  type BundledServer,
  makeBundle,
  startBundledServer,
} from "../ours/bundled-server.ts";
import { interleave, loneRow, type Pair, ratioRow } from "../pairs.ts";
import { type RedisServer, saveRedis, startRedisServer } from "../peers/redis-server.ts";
import type { Child } from "../process/child.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { RemoteClientName } from "../remote-cache.ts";
import { toShort } from "../report/figures.ts";
import type { Session } from "../session.ts";
import { median } from "../statistics.ts";
import { targets } from "../targets.ts";

const loadFile = new URL("../load/remote-load.ts", import.meta.url);
const VALUE_BYTES = 100;
/** The value, and its key of 20 bytes. */
const ENTRY_BYTES = 120;
/** For so many entries the target of what a snapshot adds is set. */
const TARGET_ENTRIES = 1_000_000;
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

/** A restart of meshcache. What the snapshot adds: until it serves, beyond the start of an empty server. */
interface OwnRestart extends Restart {
  readonly addedMs: number;
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
    const added: number[] = [];
    const pairs = await interleave(session, "restarting", {
      async ours() {
        const { addedMs, ...figures } = await ours.restart();
        added.push(addedMs);
        return figures;
      },
      peer: peer.restart,
    });
    const disk = `${entries.toLocaleString("en")} entries of ${ENTRY_BYTES} B, both on the same disk; two workers, from the bundle`;
    const common = { id: "13", peerName };
    const rate = (name: string, figure: keyof Restart): Row => {
      const perSecond = each(pairs, figure);
      const megabytes = perSecond.map(({ ours, peer }) => ({
        ours: toMegabytes(ours),
        peer: toMegabytes(peer),
      }));
      const note = `${disk}; ${name}: ${toEntries(perSecond.map(({ ours }) => ours))} beside ${toEntries(perSecond.map(({ peer }) => peer))}`;
      return ratioRow({ ...common, name, unit: "MB/s", target: targets.snapshotOverRedis, note }, megabytes);
    };
    const isTargeted = entries >= TARGET_ENTRIES;
    return [
      rate("snapshot written", "writtenPerSecond"),
      rate("snapshot loaded", "loadedPerSecond"),
      loneRow(
        {
          ...{
            id: "13",
            name: "what the snapshot adds to a start",
            unit: "ms",
            judged: "ms",
            better: "lower",
          },
          ...(isTargeted && { target: targets.snapshotAddsMs }),
          note: `until it serves, beyond the start of an empty server just before; the target is for ${TARGET_ENTRIES.toLocaleString("en")} entries or more`,
        },
        added,
      ),
      ratioRow(
        {
          ...common,
          ...{ name: "start with the entries to the first answer", unit: "ms", better: "lower", note: disk },
        },
        each(pairs, "answerMs"),
      ),
    ];
  },
};

const toMegabytes = (entriesPerSecond: number): number => (entriesPerSecond * ENTRY_BYTES) / 1e6;
const toEntries = (perSecond: readonly number[]): string => `${toShort(median(perSecond))} entries/s`;

function each(pairs: readonly Pair<Restart>[], figure: keyof Restart): readonly Pair<number>[] {
  return pairs.map(({ ours, peer }) => ({ ours: ours[figure], peer: peer[figure] }));
}

interface Restarted<Figures extends Restart = Restart> extends AsyncDisposable {
  restart(): Promise<Figures>;
}

async function fill(session: Session, load: Child<RemoteLoad>, client: RemoteClientName, port: number) {
  const { entries, seed } = session.plan;
  session.step("filling");
  await load.call("connect", client, `${LOOPBACK}:${port}`);
  await load.call("fill", entries, VALUE_BYTES, seed);
  await load.call("close");
}

async function openOurs(session: Session, load: Child<RemoteLoad>): Promise<Restarted<OwnRestart>> {
  const { entries } = session.plan;
  const budgetBytes = Math.max(BUDGET_MIN_BYTES, entries * BUDGET_AN_ENTRY);
  const command = await makeBundle();
  let server: BundledServer = await startBundledServer(command, { budgetBytes });
  await fill(session, load, "meshcache", server.port);
  return {
    async restart() {
      const writeMs = await server.stop();
      const emptyMs = await emptyServingMs(command, budgetBytes);
      const beganMs = performance.now();
      server = await startBundledServer(command, { budgetBytes });
      await load.call("connectIdle", "meshcache", `${LOOPBACK}:${server.port}`, 1);
      const answerMs = performance.now() - beganMs;
      const figures = toRestart(entries, writeMs, server.loadMs, answerMs);
      return { ...figures, addedMs: server.servingMs - emptyMs };
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      command[Symbol.dispose]();
    },
  };
}

/** Of a server with another snapshot, which is not there. */
async function emptyServingMs(command: BundledCommand, budgetBytes: number): Promise<number> {
  const snapshot = "none";
  const server = await startBundledServer(command, { budgetBytes, snapshot });
  await server.stop();
  // It has written one of an empty store.
  rmSync(join(command.folder, snapshot), { force: true });
  return server.servingMs;
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

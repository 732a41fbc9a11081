/** Row 5: the resident memory for each entry, in a process with meshcache's store and in redis-server. */

import { SERVER_V8_FLAGS } from "../../src/cli/v8-flags.ts";
import type { Comparison, Row } from "../comparison.ts";
import type { EntryLoad } from "../load/entry-load.ts";
import type { RemoteLoad } from "../load/remote-load.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import { startRedisServer } from "../peers/redis-server.ts";
import { LOOPBACK } from "../process/loopback.ts";
import { residentBytes } from "../process/resident-memory.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";

const entryLoadFile = new URL("../load/entry-load.ts", import.meta.url);
const remoteLoadFile = new URL("../load/remote-load.ts", import.meta.url);
const VALUE_BYTES = 100;

async function storeBytesAnEntry(session: Session): Promise<number> {
  const { entries, seed, engine } = session.plan;
  await using store = session.start<EntryLoad>("server", entryLoadFile, {
    nodeArgs: [...SERVER_V8_FLAGS, "--expose-gc"],
  });
  await store.call("open", "meshcache", { entriesMax: entries, valueBytes: VALUE_BYTES, engine });
  const filled = await store.call("fill", entries, VALUE_BYTES, seed);
  if (filled.entries !== entries) throw new Error(`${filled.entries} of ${entries} entries were kept`);
  return (filled.after - filled.before) / filled.entries;
}

async function redisBytesAnEntry(session: Session): Promise<number> {
  const { entries, seed } = session.plan;
  await using redis = await startRedisServer();
  const before = residentBytes(redis.pid);
  await using load = session.start<RemoteLoad>("other", remoteLoadFile);
  await load.call("connect", "ioredis", `${LOOPBACK}:${redis.port}`);
  await load.call("fill", entries, VALUE_BYTES, seed);
  await load.call("close");
  return (residentBytes(redis.pid) - before) / entries;
}

export const storeMemory: Comparison = {
  name: "store-memory",
  ids: ["5"],
  title: "resident memory of an entry, compared with redis-server",
  needs: ["redis-server", "ioredis"],
  steps: (plan) => 2 * plan.pairs,
  async run(session) {
    const { entries } = session.plan;
    // New processes for each measurement: a process can be filled only once.
    const pairs: readonly Pair<number>[] = await interleave(session, "filling", {
      ours: () => storeBytesAnEntry(session),
      peer: () => redisBytesAnEntry(session),
    });
    const row: Row = ratioRow(
      {
        id: "5",
        name: `resident memory an entry, ${entries.toLocaleString("en")} entries`,
        unit: "B",
        peerName: "redis-server",
        target: targets.residentBytes,
        note: "keys of 20 B, values of 100 B; growth of the process's VmRSS from empty to full",
      },
      pairs,
    );
    return [row];
  },
};

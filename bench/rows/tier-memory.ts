/** Rows 19m and 19ml: the memory of an entry in the engine of the shared tier, compared with SET EX. */
import type { RespConnection } from "../../test/support/engine/resp-connection.ts";
import type { Comparison, Row } from "../comparison.ts";
import { createValues, keyAt } from "../keyspace.ts";
import { startEngine, startTierServer } from "../ours/tier.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";
import { startLoad } from "./remote-side.ts";

const VALUE_BYTES = [100, 1_024];
const TTL_S = "86400";
const SETS_AT_ONCE = 500;
/** Of all shards: streams of events, and hashes of request ids. */
const REMEMBERED_KEYS = "{*}:[xq]*";

const entriesOf = (session: Session): number => 2 * session.plan.nearEntries;

interface BytesAnEntry {
  readonly entry: number;
  /** With the event of its Set and the request id, both of which the engine keeps for bounded numbers of Sets. */
  readonly remembered: number;
}

async function usedBytes(engine: RespConnection): Promise<number> {
  const used = /^used_memory:(\d+)/m.exec(await engine.text("INFO", "memory"))?.[1];
  if (used === undefined) throw new Error("the engine does not say how much memory it uses");
  return Number(used);
}

/** An entry of the tier always has an expiry in the engine, so the Sets of the load need no TTL. */
async function tierBytes(session: Session, valueBytes: number): Promise<BytesAnEntry> {
  const entries = entriesOf(session);
  await using engine = await startEngine();
  await using server = await startTierServer(session, engine);
  await using load = await startLoad(session, "meshcache", server.address);
  await using connection = await engine.connect();
  await load.call("fill", 1, valueBytes, session.plan.seed);
  const before = await usedBytes(connection);
  await load.call("fill", entries, valueBytes, session.plan.seed);
  const remembered = (await usedBytes(connection)) - before;
  const keys = await connection.call("KEYS", REMEMBERED_KEYS);
  if (!Array.isArray(keys) || keys.length === 0) throw new Error("the engine remembers no Set");
  for (const key of keys) await connection.call("DEL", key as Buffer);
  return {
    entry: ((await usedBytes(connection)) - before) / entries,
    remembered: remembered / entries,
  };
}

async function plainBytes(session: Session, valueBytes: number): Promise<BytesAnEntry> {
  const entries = entriesOf(session);
  await using engine = await startEngine();
  await using connection = await engine.connect();
  const makeValue = createValues(valueBytes, session.plan.seed);
  const set = (index: number) => connection.call("SET", keyAt(index), makeValue(index), "EX", TTL_S);
  await set(0);
  const before = await usedBytes(connection);
  for (let from = 0; from < entries; from += SETS_AT_ONCE) {
    const size = Math.min(SETS_AT_ONCE, entries - from);
    await Promise.all(Array.from({ length: size }, (_, offset) => set(from + offset)));
  }
  const entry = ((await usedBytes(connection)) - before) / entries;
  return { entry, remembered: entry };
}

function rowsOf(valueBytes: number, entries: number, pairs: readonly Pair<BytesAnEntry>[]): readonly Row[] {
  const size = valueBytes < 1_024 ? `${valueBytes} B` : `${valueBytes / 1_024} KB`;
  const spec = {
    unit: "B",
    peerName: "SET EX",
    target: targets.tierEntryBytes,
    note: `keys of 20 B, ${entries.toLocaleString("en")} entries; growth of used_memory of one node of redis-server in cluster mode`,
  };
  const bytes = (kind: keyof BytesAnEntry) =>
    pairs.map(({ ours, peer }) => ({ ours: ours[kind], peer: peer[kind] }));
  return [
    ratioRow(
      { id: "19m", name: `memory of the engine an entry of ${size} in a tier`, ...spec },
      bytes("entry"),
    ),
    ratioRow(
      { id: "19ml", name: `with the event and the request id of a Set of ${size} just now`, ...spec },
      bytes("remembered"),
    ),
  ];
}

export const tierMemory: Comparison = {
  name: "tier-memory",
  ids: ["19m", "19ml"],
  title: "memory of the engine for an entry of the shared tier, compared with SET EX",
  needs: ["redis-server"],
  steps: (plan) => (plan.quick ? 0 : VALUE_BYTES.length * 2 * plan.pairs),
  async run(session) {
    if (session.plan.quick) return [];
    const rows: Row[] = [];
    for (const valueBytes of VALUE_BYTES) {
      // New engines for each measurement: one can be filled only once.
      const pairs = await interleave(session, `filling with ${valueBytes} B`, {
        ours: () => tierBytes(session, valueBytes),
        peer: () => plainBytes(session, valueBytes),
      });
      rows.push(...rowsOf(valueBytes, entriesOf(session), pairs));
    }
    return rows;
  },
};

/** Rows 19n and 19sn: what the engine spends on an operation when several primaries share the shards, compared with one. */
import type { Comparison, Row } from "../comparison.ts";
import { startEngine, startTierServer } from "../ours/tier.ts";
import { ratioRow } from "../pairs.ts";
import type { Session } from "../session.ts";
import { startLoad } from "./remote-side.ts";
import { fillTierSides, measureTierSides, TIER_IN_FLIGHT, type TierSide } from "./tier-side.ts";

const PRIMARIES = [3, 6];
const OPERATIONS = [
  ["get", "19n"],
  ["set", "19sn"],
] as const;
const SHAPES = OPERATIONS.length * TIER_IN_FLIGHT.length;

async function openSide(session: Session, primaries: number): Promise<TierSide & AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const engine = undo.use(await startEngine(primaries));
  const server = undo.use(await startTierServer(session, engine));
  const load = undo.use(await startLoad(session, "meshcache", server.address));
  const kept = undo.move();
  return { load, engine, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function compareWithOne(session: Session, primaries: number, one: TierSide): Promise<readonly Row[]> {
  await using several = await openSide(session, primaries);
  await fillTierSides(session, [several]);
  const rows: Row[] = [];
  for (const [operation, id] of OPERATIONS) {
    for (const inFlight of TIER_IN_FLIGHT) {
      const label = `${operation}s over ${primaries} primaries, ${inFlight} in flight`;
      const shape = { operation, inFlight };
      const sides = { ours: several, peer: one };
      const pairs = await measureTierSides(session, label, sides, shape, session.plan.warmUpMs);
      const row = ratioRow(
        {
          id,
          name: `engine CPU a ${operation} over ${primaries} primaries, ${inFlight} in flight, zipfian`,
          unit: "µs",
          peerName: "one primary",
          better: "lower",
          note: `one server; ${session.plan.nearEntries.toLocaleString("en")} entries; the processes of the engine together`,
        },
        pairs.map(({ ours, peer }) => ({ ours: ours.engineMicros, peer: peer.engineMicros })),
      );
      rows.push(row);
    }
  }
  return rows;
}

export const tierShape: Comparison = {
  name: "tier-shape",
  ids: OPERATIONS.map(([, id]) => id),
  title: "CPU of the engine for an operation over three and six primaries, compared with one",
  needs: ["redis-server"],
  // A fill of each engine, and for each shape one warm-up and the windows of both sides.
  steps: (plan) => (plan.quick ? 0 : 1 + PRIMARIES.length * (1 + SHAPES * (2 + 2 * plan.pairs))),
  async run(session) {
    if (session.plan.quick) return [];
    await using one = await openSide(session, 1);
    await fillTierSides(session, [one]);
    const rows: Row[] = [];
    for (const primaries of PRIMARIES) rows.push(...(await compareWithOne(session, primaries, one)));
    return rows;
  },
};

/** Rows 19, 19s, 19c and 19sc: operations through a server on the shared tier, and what the engine spends on them. */
import type { Comparison, Row, Target } from "../comparison.ts";
import { startEngine, startTierServer } from "../ours/tier.ts";
import { type Pair, ratioRow } from "../pairs.ts";
import { targets } from "../targets.ts";
import { startLoad } from "./remote-side.ts";
import { fillTierSides, measureTierSides, TIER_IN_FLIGHT, type TierWindow } from "./tier-side.ts";

const FIRST_WARM_UP_MIN_MS = 2_000;

interface TierOperations {
  readonly operation: "get" | "set";
  readonly name: string;
  readonly title: string;
  readonly ids: readonly [rate: string, engine: string];
  readonly target: Target;
  readonly engineTarget?: Target;
}

function rowsOf(
  spec: TierOperations,
  inFlight: number,
  entries: number,
  pairs: readonly Pair<TierWindow>[],
): readonly Row[] {
  const { operation, ids, target, engineTarget } = spec;
  const about = {
    peerName: "ioredis on the same engine",
    note: `${entries.toLocaleString("en")} entries, one node of redis-server in cluster mode`,
  };
  const rate = ratioRow(
    {
      id: ids[0],
      name: `${operation}s of 100 B through a tier, ${inFlight} in flight, zipfian`,
      unit: `${operation}s/s`,
      target,
      ...about,
    },
    pairs.map(({ ours, peer }) => ({ ours: ours.perSecond, peer: peer.perSecond })),
  );
  const cpu = ratioRow(
    {
      id: ids[1],
      name: `engine CPU a ${operation} through a tier, ${inFlight} in flight, zipfian`,
      unit: "µs",
      better: "lower",
      ...(engineTarget === undefined ? {} : { target: engineTarget }),
      ...about,
    },
    pairs.map(({ ours, peer }) => ({ ours: ours.engineMicros, peer: peer.engineMicros })),
  );
  return [rate, cpu];
}

function compareTierOperations(spec: TierOperations): Comparison {
  return {
    name: spec.name,
    title: spec.title,
    ids: spec.ids,
    needs: ["redis-server", "ioredis"],
    // Two fills, and for each shape one warm-up and the windows of both sides.
    steps: (plan) => 2 + TIER_IN_FLIGHT.length * (2 + 2 * plan.pairs),
    async run(session) {
      const { plan } = session;
      await using engine = await startEngine();
      await using server = await startTierServer(session, engine);
      await using ours = await startLoad(session, "meshcache", server.address);
      await using peer = await startLoad(session, "ioredis", engine.address);
      const sides = { ours: { load: ours, engine }, peer: { load: peer, engine } };
      await fillTierSides(session, [sides.ours, sides.peer]);
      const rows: Row[] = [];
      let warmUpMs = Math.max(plan.warmUpMs, FIRST_WARM_UP_MIN_MS);
      for (const inFlight of TIER_IN_FLIGHT) {
        const shape = { operation: spec.operation, inFlight };
        const pairs = await measureTierSides(session, `${inFlight} in flight`, sides, shape, warmUpMs);
        rows.push(...rowsOf(spec, inFlight, plan.nearEntries, pairs));
        warmUpMs = plan.warmUpMs;
      }
      return rows;
    },
  };
}

export const tierGet = compareTierOperations({
  operation: "get",
  name: "tier-get",
  title:
    "gets of 100 B by the client of a server on the shared tier, compared with ioredis on the same engine",
  ids: ["19", "19c"],
  target: targets.tierGet,
  engineTarget: targets.tierGetEngineCpu,
});

export const tierSet = compareTierOperations({
  operation: "set",
  name: "tier-set",
  title:
    "sets of 100 B by the client of a server on the shared tier, compared with ioredis on the same engine",
  ids: ["19s", "19sc"],
  target: targets.tierSet,
});

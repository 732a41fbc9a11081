/** Rows 19, 19s, 19c and 19sc: operations through a server on the shared tier, and what the engine spends on them. */
import type { Comparison, Row, Target } from "../comparison.ts";
import type { ClosedLoopShape, ClosedLoopWindow } from "../load/closed-loop.ts";
import type { RemoteLoad } from "../load/remote-load.ts";
import { type Engine, startEngine, startTierServer } from "../ours/tier.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import type { Child } from "../process/child.ts";
import { cpuMicros } from "../process/cpu-time.ts";
import { targets } from "../targets.ts";
import { startLoad } from "./remote-side.ts";

const VALUE_BYTES = 100;
const IN_FLIGHT = [64, 512];
const FIRST_WARM_UP_MIN_MS = 2_000;

interface Window {
  readonly perSecond: number;
  readonly engineMicros: number;
}

interface TierOperations {
  readonly operation: "get" | "set";
  readonly name: string;
  readonly title: string;
  readonly ids: readonly [rate: string, engine: string];
  readonly target: Target;
  readonly engineTarget?: Target;
}

interface Side {
  readonly load: Child<RemoteLoad>;
  readonly engine: Engine;
}

async function measure({ load, engine }: Side, shape: ClosedLoopShape): Promise<Window> {
  const before = cpuMicros(engine.pid);
  const window: ClosedLoopWindow = await load.call("closedLoop", shape);
  const spent = cpuMicros(engine.pid) - before;
  return {
    perSecond: window.perSecond,
    engineMicros: spent / ((window.perSecond * shape.durationMs) / 1_000),
  };
}

function rowsOf(
  spec: TierOperations,
  inFlight: number,
  entries: number,
  pairs: readonly Pair<Window>[],
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
    steps: (plan) => 2 + IN_FLIGHT.length * (2 + 2 * plan.pairs),
    async run(session) {
      const { plan } = session;
      await using engine = await startEngine();
      await using server = await startTierServer(session, engine);
      await using ours = await startLoad(session, "meshcache", server.address);
      await using peer = await startLoad(session, "ioredis", engine.address);
      const sides = { ours: { load: ours, engine }, peer: { load: peer, engine } };
      for (const { load } of [sides.ours, sides.peer]) {
        session.step(`filling ${plan.nearEntries.toLocaleString("en")} entries`);
        await load.call("fill", plan.nearEntries, VALUE_BYTES, plan.seed);
      }
      const rows: Row[] = [];
      let warmUpMs = Math.max(plan.warmUpMs, FIRST_WARM_UP_MIN_MS);
      for (const inFlight of IN_FLIGHT) {
        const label = `${inFlight} in flight`;
        const run = (side: Side, durationMs: number, round: number) =>
          measure(side, {
            operation: spec.operation,
            inFlight,
            distribution: "zipfian",
            durationMs,
            seed: plan.seed + round,
          });
        for (const side of [sides.ours, sides.peer]) {
          session.step(`${label}: warm-up`);
          await run(side, warmUpMs, plan.pairs);
        }
        const pairs = await interleave(session, label, {
          ours: (round) => run(sides.ours, plan.windowMs, round),
          peer: (round) => run(sides.peer, plan.windowMs, round),
        });
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

/** One side of a row of the shared tier: a load, and the engine in which its operations end. */
import type { ClosedLoopShape, ClosedLoopWindow } from "../load/closed-loop.ts";
import type { RemoteLoad } from "../load/remote-load.ts";
import type { Engine } from "../ours/tier.ts";
import { interleave, type Pair } from "../pairs.ts";
import type { Child } from "../process/child.ts";
import { cpuMicros } from "../process/cpu-time.ts";
import type { Session } from "../session.ts";

export const TIER_VALUE_BYTES = 100;
export const TIER_IN_FLIGHT = [64, 512] as const;

export interface TierSide {
  readonly load: Child<RemoteLoad>;
  readonly engine: Engine;
}

export interface TierWindow {
  readonly perSecond: number;
  /** CPU time of all processes of the engine for each operation, user and system. */
  readonly engineMicros: number;
}

async function measure({ load, engine }: TierSide, shape: ClosedLoopShape): Promise<TierWindow> {
  const before = engineCpuMicros(engine);
  const window: ClosedLoopWindow = await load.call("closedLoop", shape);
  const spent = engineCpuMicros(engine) - before;
  return {
    perSecond: window.perSecond,
    engineMicros: spent / ((window.perSecond * shape.durationMs) / 1_000),
  };
}

const engineCpuMicros = ({ pids }: Engine): number => pids.reduce((sum, pid) => sum + cpuMicros(pid), 0);

/** Windows of both sides in turns, behind a warm-up of each. */
export async function measureTierSides(
  session: Session,
  label: string,
  sides: Pair<TierSide>,
  shape: Pick<ClosedLoopShape, "operation" | "inFlight">,
  warmUpMs: number,
): Promise<readonly Pair<TierWindow>[]> {
  const { plan } = session;
  const run = (side: TierSide, durationMs: number, round: number): Promise<TierWindow> =>
    measure(side, { ...shape, distribution: "zipfian", durationMs, seed: plan.seed + round });
  for (const side of [sides.ours, sides.peer]) {
    session.step(`${label}: warm-up`);
    await run(side, warmUpMs, plan.pairs);
  }
  return await interleave(session, label, {
    ours: (round) => run(sides.ours, plan.windowMs, round),
    peer: (round) => run(sides.peer, plan.windowMs, round),
  });
}

/** Sets every key once, on one side after the other. */
export async function fillTierSides(session: Session, sides: readonly TierSide[]): Promise<void> {
  const { nearEntries, seed } = session.plan;
  for (const { load } of sides) {
    session.step(`filling ${nearEntries.toLocaleString("en")} entries`);
    await load.call("fill", nearEntries, TIER_VALUE_BYTES, seed);
  }
}

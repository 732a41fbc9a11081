/** Rows 1 to 3 of two servers of meshcache, each with a load of its own: gets, the CPU of their client, and unary Gets. */
import type { Row, Target } from "../comparison.ts";
import type { ClosedLoopShape, ClosedLoopWindow } from "../load/closed-loop.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import { isPresent } from "../peers/catalog.ts";
import type { Plan } from "../plan.ts";
import type { Session } from "../session.ts";
import { fillSides, type RemoteSide } from "./remote-side.ts";
import { compareUnaryGets } from "./unary-get.ts";

export const OWN_BUDGET_BYTES = 2 ** 29;
const VALUE_BYTES = 100;
/** Two servers hold them at the same time. */
const ENTRIES_MAX = 200_000;
const IN_FLIGHT = [64, 512] as const;
const FIRST_WARM_UP_MIN_MS = 2_000;

export interface OwnRows {
  readonly ids: readonly [gets: string, clientCpu: string, unary: string];
  readonly names: readonly [gets: string, clientCpu: string, unary: string];
  readonly peerName: string;
  /** Of gets and of unary Gets. */
  readonly target?: Target;
}

/** Two fills, and for each shape one warm-up and the windows of both sides. */
export const ownSteps = (plan: Plan): number => 2 + (IN_FLIGHT.length + 1) * (2 + 2 * plan.pairs);

export async function compareOwnSides(
  session: Session,
  spec: OwnRows,
  sides: Pair<RemoteSide>,
): Promise<readonly Row[]> {
  const entries = Math.min(session.plan.entries, ENTRIES_MAX);
  await fillSides(session, [sides.ours, sides.peer], entries, VALUE_BYTES);
  const note = `${entries.toLocaleString("en")} entries`;
  const rows: Row[] = [];
  for (const inFlight of IN_FLIGHT) rows.push(...(await compareGets(session, spec, inFlight, note, sides)));
  const addresses = { ours: sides.ours.address, peer: sides.peer.address };
  const calls = await compareUnaryGets(session, entries, addresses);
  const unary = {
    id: spec.ids[2],
    name: spec.names[2],
    unit: "calls/s",
    peerName: spec.peerName,
    note,
    ...(spec.target !== undefined && isPresent("h2load") ? { target: spec.target } : {}),
  };
  return [...rows, ratioRow(unary, calls)];
}

async function compareGets(
  session: Session,
  spec: OwnRows,
  inFlight: number,
  note: string,
  sides: Pair<RemoteSide>,
): Promise<readonly Row[]> {
  const { plan } = session;
  const load = (side: RemoteSide, durationMs: number, round: number): Promise<ClosedLoopWindow> => {
    const seed = plan.seed + round;
    const shape: ClosedLoopShape = { operation: "get", inFlight, distribution: "zipfian", durationMs, seed };
    return side.load.call("closedLoop", shape);
  };
  const label = `${inFlight} in flight`;
  for (const side of [sides.ours, sides.peer]) {
    session.step(`${label}: warm-up`);
    await load(side, Math.max(plan.warmUpMs, FIRST_WARM_UP_MIN_MS), plan.pairs);
  }
  const windows = await interleave(session, label, {
    ours: (round) => load(sides.ours, plan.windowMs, round),
    peer: (round) => load(sides.peer, plan.windowMs, round),
  });
  const common = { peerName: spec.peerName, note: `${note}, zipfian` };
  const target = spec.target === undefined ? {} : { target: spec.target };
  const figure = (name: "perSecond" | "cpuMicros"): Pair<number>[] =>
    windows.map(({ ours, peer }) => ({ ours: ours[name], peer: peer[name] }));
  return [
    ratioRow(
      { ...common, ...target, id: spec.ids[0], name: `${spec.names[0]}, ${label}`, unit: "gets/s" },
      figure("perSecond"),
    ),
    ratioRow(
      { ...common, id: spec.ids[1], name: `${spec.names[1]}, ${label}`, unit: "µs", better: "lower" },
      figure("cpuMicros"),
    ),
  ];
}

/** Rows 1c, 2c and 3c: what the counters of namespaces and of the list of clients cost on rows 1 to 3. */
import type { Comparison, Row } from "../comparison.ts";
import type { ClosedLoopShape, ClosedLoopWindow } from "../load/closed-loop.ts";
import { makeUncountedSources } from "../ours/uncounted-server.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import { isPresent } from "../peers/catalog.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";
import { fillSides, openRemoteSide, type RemoteSide } from "./remote-side.ts";
import { compareUnaryGets } from "./unary-get.ts";

const VALUE_BYTES = 100;
/** Two servers hold them at the same time. */
const ENTRIES_MAX = 200_000;
const IN_FLIGHT = [64, 512] as const;
const BUDGET_BYTES = 2 ** 29;
const FIRST_WARM_UP_MIN_MS = 2_000;
const peerName = "without counters";
const target = targets.countersOverNone;

export const countersOfUse: Comparison = {
  name: "counters",
  ids: ["1c", "2c", "3c"],
  title: "the counters of namespaces and clients, compared with the same server without them",
  needs: [],
  steps: (plan) => (plan.everyShape ? 2 + (IN_FLIGHT.length + 1) * (2 + 2 * plan.pairs) : 0),
  async run(session) {
    const { plan } = session;
    if (!plan.everyShape) return [];
    using sources = makeUncountedSources();
    await using ours = await openRemoteSide(session, "meshcache", BUDGET_BYTES);
    await using peer = await openRemoteSide(session, "meshcache", BUDGET_BYTES, sources);
    const entries = Math.min(plan.entries, ENTRIES_MAX);
    await fillSides(session, [ours, peer], entries, VALUE_BYTES);
    const note = `${entries.toLocaleString("en")} entries`;
    const rows: Row[] = [];
    for (const inFlight of IN_FLIGHT)
      rows.push(...(await compareGets(session, inFlight, note, { ours, peer })));
    const calls = await compareUnaryGets(session, entries, { ours: ours.address, peer: peer.address });
    const common = { id: "3c", name: "unary Get with its counters", unit: "calls/s", peerName, note };
    return [...rows, ratioRow({ ...common, ...(isPresent("h2load") && { target }) }, calls)];
  },
};

async function compareGets(
  session: Session,
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
  const common = { peerName, note: `${note}, zipfian` };
  const figure = (name: "perSecond" | "cpuMicros"): Pair<number>[] =>
    windows.map(({ ours, peer }) => ({ ours: ours[name], peer: peer[name] }));
  return [
    ratioRow(
      { ...common, id: "1c", name: `gets of 100 B with their counters, ${label}`, unit: "gets/s", target },
      figure("perSecond"),
    ),
    ratioRow(
      { ...common, id: "2c", name: `client CPU a get, ${label}`, unit: "µs", better: "lower" },
      figure("cpuMicros"),
    ),
  ];
}

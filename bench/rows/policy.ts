/** Row 12: what a permitted operation pays for a policy that meters it: one server with it, and one without. */
import type { Comparison, Row } from "../comparison.ts";
import type { ClosedLoopWindow } from "../load/closed-loop.ts";
import { interleave, ratioRow } from "../pairs.ts";
import { makePolicyFiles } from "../process/policy-files.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";
import { fillSides, openRemoteSide, type RemoteSide } from "./remote-side.ts";

const VALUE_BYTES = 100;
/** Two servers hold them at the same time. */
const ENTRIES_MAX = 200_000;
const SHAPES = [
  { operation: "get", inFlight: 64 },
  { operation: "get", inFlight: 512 },
  { operation: "set", inFlight: 512 },
] as const;
const BUDGET_BYTES = 2 ** 29;
const FIRST_WARM_UP_MIN_MS = 2_000;

export const meteredPolicy: Comparison = {
  name: "policy",
  ids: ["12"],
  title: "permitted and metered operations, compared with the same server without identities and policy",
  needs: [],
  steps: (plan) => 2 + SHAPES.length * (2 + 2 * plan.pairs),
  async run(session) {
    const { plan } = session;
    using files = makePolicyFiles();
    await using metered = await openRemoteSide(session, "meshcache", BUDGET_BYTES, { policy: files });
    await using open = await openRemoteSide(session, "meshcache", BUDGET_BYTES);
    const entries = Math.min(plan.entries, ENTRIES_MAX);
    await fillSides(session, [metered, open], entries, VALUE_BYTES);
    const rows: Row[] = [];
    for (const shape of SHAPES) rows.push(await measure(session, shape, entries, metered, open));
    return rows;
  },
};

async function measure(
  session: Session,
  { operation, inFlight }: (typeof SHAPES)[number],
  entries: number,
  metered: RemoteSide,
  open: RemoteSide,
): Promise<Row> {
  const { plan } = session;
  const label = `${operation}s, ${inFlight} in flight`;
  const load = (side: RemoteSide, durationMs: number, round: number): Promise<ClosedLoopWindow> =>
    side.load.call("closedLoop", {
      operation,
      inFlight,
      distribution: "zipfian",
      durationMs,
      seed: plan.seed + round,
    });
  for (const side of [metered, open]) {
    session.step(`${label}: warm-up`);
    await load(side, Math.max(plan.warmUpMs, FIRST_WARM_UP_MIN_MS), plan.pairs);
  }
  const windows = await interleave(session, label, {
    ours: (round) => load(metered, plan.windowMs, round),
    peer: (round) => load(open, plan.windowMs, round),
  });
  return ratioRow(
    {
      id: "12",
      name: `${operation}s of 100 B with a policy and limits, ${inFlight} in flight`,
      unit: `${operation}s/s`,
      peerName: "without",
      target: targets.policyOverNone,
      note: `${entries.toLocaleString("en")} entries, zipfian`,
    },
    windows.map(({ ours, peer }) => ({ ours: ours.perSecond, peer: peer.perSecond })),
  );
}

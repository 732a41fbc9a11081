/** Rows 1c, 2c and 3c: what the counters of namespaces and of the list of clients cost on rows 1 to 3. */
import type { Comparison } from "../comparison.ts";
import { makeUncountedSources } from "../ours/uncounted-server.ts";
import { targets } from "../targets.ts";
import { compareOwnSides, OWN_BUDGET_BYTES, type OwnRows, ownSteps } from "./own-sides.ts";
import { openRemoteSide } from "./remote-side.ts";

const spec: OwnRows = {
  ids: ["1c", "2c", "3c"],
  names: ["gets of 100 B with their counters", "client CPU a get", "unary Get with its counters"],
  peerName: "without counters",
  target: targets.countersOverNone,
};

export const countersOfUse: Comparison = {
  name: "counters",
  ids: spec.ids,
  title: "the counters of namespaces and clients, compared with the same server without them",
  needs: [],
  steps: (plan) => (plan.everyShape ? ownSteps(plan) : 0),
  async run(session) {
    if (!session.plan.everyShape) return [];
    using sources = makeUncountedSources();
    await using ours = await openRemoteSide(session, "meshcache", OWN_BUDGET_BYTES);
    await using peer = await openRemoteSide(session, "meshcache", OWN_BUDGET_BYTES, sources);
    return await compareOwnSides(session, spec, { ours, peer });
  },
};

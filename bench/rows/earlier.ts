/** Rows 1e, 2e and 3e: rows 1 to 3 of this checkout beside those of another one, server and client. */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Comparison } from "../comparison.ts";
import { compareOwnSides, OWN_BUDGET_BYTES, type OwnRows, ownSteps } from "./own-sides.ts";
import { openRemoteSide } from "./remote-side.ts";

const spec: OwnRows = {
  ids: ["1e", "2e", "3e"],
  names: ["gets of 100 B", "client CPU a get", "unary Get"],
  peerName: "the other checkout",
};

export const earlier: Comparison = {
  name: "earlier",
  ids: spec.ids,
  title: "this checkout, compared with the one that --against names",
  needs: [],
  steps: (plan) => (plan.against === undefined ? 0 : ownSteps(plan)),
  async run(session) {
    const { against } = session.plan;
    if (against === undefined) return [];
    const checkout = pathToFileURL(`${resolve(against)}/`);
    await using ours = await openRemoteSide(session, "meshcache", OWN_BUDGET_BYTES);
    await using peer = await openRemoteSide(session, "meshcache", OWN_BUDGET_BYTES, {
      program: new URL("src/cli/main.ts", checkout),
      load: new URL("bench/load/remote-load.ts", checkout),
    });
    return await compareOwnSides(session, spec, { ours, peer });
  },
};

/** Row 6: the longest garbage collection while the store is full and churns. */

import { SERVER_V8_FLAGS } from "../../src/cli/v8-flags.ts";
import type { Comparison, Row } from "../comparison.ts";
import type { EntryStoreName } from "../entry-store.ts";
import type { ChurnWindow, EntryLoad } from "../load/entry-load.ts";
import { figureRow, interleave } from "../pairs.ts";
import type { Child } from "../process/child.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";

const loadFile = new URL("../load/entry-load.ts", import.meta.url);
const VALUE_BYTES = 100;

async function openStore(session: Session, name: EntryStoreName): Promise<Child<EntryLoad>> {
  const { entries, seed, engine } = session.plan;
  const store = session.start<EntryLoad>(name === "lru-cache" ? "other" : "server", loadFile, {
    nodeArgs: SERVER_V8_FLAGS,
  });
  await store.call("open", name, { entriesMax: entries, valueBytes: VALUE_BYTES, engine });
  session.step(`${name}: filling`);
  await store.call("fill", entries, VALUE_BYTES, seed);
  return store;
}

export const gcPause: Comparison = {
  name: "gc-pause",
  ids: ["6"],
  title: "longest garbage collection under churn",
  needs: ["lru-cache"],
  steps: (plan) => 4 + 2 * plan.pairs,
  async run(session) {
    const { plan } = session;
    await using ours = await openStore(session, "meshcache");
    await using peer = await openStore(session, "lru-cache");
    const churn = (store: Child<EntryLoad>, durationMs: number, round: number): Promise<ChurnWindow> =>
      store.call("churn", plan.entries, VALUE_BYTES, durationMs, plan.seed + round);
    for (const store of [ours, peer]) {
      session.step("warm-up");
      await churn(store, plan.warmUpMs, plan.pairs);
    }
    const pairs = await interleave(session, "churn", {
      ours: (round) => churn(ours, plan.windowMs, round),
      peer: (round) => churn(peer, plan.windowMs, round),
    });
    const row: Row = figureRow(
      {
        id: "6",
        name: `longest GC pause under churn, ${plan.entries.toLocaleString("en")} entries`,
        unit: "ms",
        judged: "ms",
        peerName: "lru-cache with Buffers",
        target: targets.gcPauseMs,
        note: "half sets, half gets, uniform over half as many keys again as fit; the worst of all windows",
      },
      pairs.map(({ ours: mine, peer: theirs }) => ({
        ours: mine.longestGcPauseMs,
        peer: theirs.longestGcPauseMs,
      })),
      (figures) => Math.max(...figures),
    );
    return [row];
  },
};

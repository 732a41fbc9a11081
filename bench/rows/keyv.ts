/** Row 18: reads of a Keyv, over the store of this cache and over that of Redis. */
import type { Comparison } from "../comparison.ts";
import { startMeshcacheServer } from "../ours/server.ts";
import { interleave, ratioRow } from "../pairs.ts";
import { startRedisServer } from "../peers/redis-server.ts";
import { LOOPBACK } from "../process/loopback.ts";
import { targets } from "../targets.ts";
import { openLocal } from "./near-hit.ts";

const BUDGET_BYTES = 2 ** 30;

export const keyvGet: Comparison = {
  name: "keyv",
  ids: ["18"],
  title: "reads of a Keyv, compared with @keyv/redis",
  needs: ["keyv", "redis-server"],
  steps: (plan) => 3 + 2 * plan.pairs,
  async run(session) {
    const { plan } = session;
    await using server = await startMeshcacheServer(session, { budgetBytes: BUDGET_BYTES });
    await using redis = await startRedisServer();
    session.step("filling");
    await using ours = await openLocal(session, "keyv-meshcache", `${LOOPBACK}:${server.port}`);
    session.step("filling Redis");
    await using theirs = await openLocal(session, "keyv-redis", `${LOOPBACK}:${redis.port}`);
    session.step("warm-up");
    for (const load of [ours, theirs]) await load.call("hits", plan.warmUpMs, plan.seed + plan.pairs);
    const pairs = await interleave(session, "@keyv/redis", {
      ours: async (round) => (await ours.call("hits", plan.windowMs, plan.seed + round)).perSecond,
      peer: async (round) => (await theirs.call("hits", plan.windowMs, plan.seed + round)).perSecond,
    });
    return [
      ratioRow(
        {
          id: "18",
          name: "gets of a Keyv",
          unit: "gets/s",
          peerName: "@keyv/redis",
          target: targets.keyvGet,
          note: `one awaited after the other, zipfian over ${plan.nearEntries.toLocaleString("en")} entries of 100 B`,
        },
        pairs,
      ),
    ];
  },
};

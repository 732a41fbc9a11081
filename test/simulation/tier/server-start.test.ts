/** How long a server takes to serve once its engine can be used. */
import { describe, expect, it } from "vitest";
import { createHistory } from "../history.ts";
import { createNetwork } from "../network.ts";
import { rngFor } from "../plan.ts";
import { createVirtualTime } from "../virtual-time.ts";
import { EngineModel } from "./engine-cluster.ts";
import { TierJudge } from "./tier-judge.ts";
import { createTierPlan } from "./tier-plan.ts";
import { TierServer } from "./tier-server.ts";

const SEED = 1;
const REFUSING_MS = 1_000;
/** Longer than twice the longest time until it looks again. */
const SERVES_WITHIN_MS = 2_000;

describe("a server of the tier", () => {
  it("serves soon after its engine does that refused it the layout", async () => {
    const { plan, cluster } = createTierPlan(SEED);
    const time = createVirtualTime();
    const history = createHistory(time.nowMs);
    const judge = new TierJudge([], cluster.shards, cluster.seed, history, time.nowMs);
    const network = createNetwork(time, rngFor(SEED, 1), plan, () => undefined);
    const engine = new EngineModel(time, rngFor(SEED, 2), history, cluster, judge);
    const [node] = engine.primaries;
    if (node === undefined) throw new Error("the cluster has primaries");
    node.refusal = () => "CLUSTERDOWN The cluster is down";
    const server = new TierServer("s1", "s1:1", {
      ...{ time, rng: rngFor(SEED, 3), plan, network, engine, history, judge, shards: cluster.shards },
      operationMaxMs: 1_000,
    });
    await time.run(REFUSING_MS);
    expect(server.problem()).toBe("engine: the engine cannot be used");
    node.refusal = () => undefined;
    await time.run(REFUSING_MS + SERVES_WITHIN_MS, () => server.problem() === undefined);
    expect(server.problem()).toBeUndefined();
    expect(history.violations).toEqual([]);
  });
});

/** What all servers of a tier share is beside each shard: it is lost with the last of them only. */
import { expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { shardKeys, TIER_SHARDS } from "../../src/tier/library/keys.ts";
import { describeEngines } from "../support/engine/describe-engines.ts";
import { eventually } from "../support/eventually.ts";
import { startTierServers } from "../support/tier-server.ts";

const { method } = CacheService;
const entry = { namespace: "layout", key: "k" };

describeEngines("the layout of the tier", (engine) => {
  it("is read from any shard that has it, when the one that had it first has lost it", async () => {
    const copies = Array.from({ length: TIER_SHARDS }, (_, shard) => shardKeys(shard).layout);
    const one = await startTierServers(engine.cluster.addresses, 1);
    await one.nextClient().unary(method.set, { ...entry, value: Buffer.from("v") });
    const [layout] = await eventually(async () => {
      const found = await Promise.all(copies.map((key) => engine.connection.text("GET", key)));
      expect(new Set(found).size).toBe(1);
      return found;
    });
    for (const key of copies.slice(0, -1)) await engine.connection.call("DEL", key);
    const other = await startTierServers(engine.cluster.addresses, 1);
    const { outcome } = await other.nextClient().unary(method.get, entry);
    expect(outcome.case).toBe("hit");
    await eventually(async () => {
      expect(await engine.connection.text("GET", copies[0] ?? "")).toBe(layout);
    });
    await other.stop();
    await one.stop();
  });
});

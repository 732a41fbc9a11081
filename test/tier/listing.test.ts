/** A listing has every key that the store has in its epoch: what a node scans after a loss is no answer. */
import { expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { describeEngines } from "../support/engine/describe-engines.ts";
import { startTierServers } from "../support/tier-server.ts";

const { method } = CacheService;
const namespace = "listing";
const KEYS = ["a", "b", "c", "d"];

describeEngines("a listing", (engine) => {
  it("is refused when a node has lost its keys and nobody has noticed", async () => {
    const servers = await startTierServers(engine.cluster.addresses, 1);
    const client = servers.nextClient();
    const [store] = servers.stores;
    const before = store?.epoch;
    for (const key of KEYS) await client.unary(method.set, { namespace, key, value: Buffer.from(key) });
    const all = await client.unary(method.listKeys, { namespace });
    expect(all.keys.map(({ key }) => key).toSorted()).toEqual(KEYS);
    await engine.connection.call("FLUSHALL");
    await expect(client.unary(method.listKeys, { namespace })).rejects.toMatchObject({
      reason: "UNAVAILABLE",
    });
    expect(store?.epoch).not.toBe(before);
    expect((await client.unary(method.listKeys, { namespace })).keys).toEqual([]);
    await servers.stop();
  });
});

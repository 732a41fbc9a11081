/** As of what an invalidation of many shards is answered, when one of them has begun again while others were waited for. */
import { expect, it } from "vitest";
import { clear } from "./store-calls.ts";
import { VirtualTier } from "./virtual-tier.ts";

const SLOW = 1;
const LOST = 2;
const SOON_MS = 200;

it("an invalidation is as of the epoch in which it is answered, in each of its shards", async () => {
  const tier = await VirtualTier.start();
  const [near, far] = tier.servers;
  const slow = tier.engine.primaryOf(SLOW);
  tier.engine.wires.hold(near.name, slow);
  const cleared = clear(near);
  await tier.run(SOON_MS);
  const { epoch } = near.store;
  tier.engine.flush(tier.engine.primaryOf(LOST));
  // Whoever calls the shard finds it lost.
  await tier.settled(clear(far));
  await tier.run(SOON_MS, () => near.store.epoch !== epoch);
  expect(near.store.epoch).not.toBe(epoch);
  tier.engine.wires.release(near.name, slow);
  const { stamps } = await tier.settled(cleared);
  expect(stamps.find(({ shard }) => shard === LOST)?.revision).toBe(near.store.shards()[LOST]?.revision);
  expect(tier.history.violations).toEqual([]);
});

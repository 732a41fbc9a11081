/** An invalidation of many shards, of which some have answered and others have not. */
import { expect, it } from "vitest";
import { clear, startClear } from "./store-calls.ts";
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

it("an invalidation that is cancelled half-way leaves nothing counted, and takes nothing off twice", async () => {
  const tier = await VirtualTier.start();
  const [near] = tier.servers;
  tier.engine.wires.hold(near.name, tier.engine.primaryOf(SLOW));
  const pending = startClear(near, () => {});
  await tier.run(SOON_MS);
  expect(near.store.engine.operationsOut).toBe(1);
  pending.cancel();
  expect(near.store.engine.operationsOut).toBe(0);
});

/** Whose answers of the engine who waits for a lease may share, and what it is answered when the shard has begun again. */
import { expect, it } from "vitest";
import type { LeaseResult } from "../../src/store/api/store.ts";
import { allKeys } from "../simulation/workload.ts";
import { lease, read, write } from "./store-calls.ts";
import { VirtualTier } from "./virtual-tier.ts";

const KEY = "note:1";
const WAIT_MS = 700;
const SOON_MS = 150;
const LEASE_MS = 60_000;

const valueIn = (result: LeaseResult) =>
  result.kind === "hit" ? Buffer.from(result.entry.value).toString() : result.kind;

it("who asks for a lease is answered no value that was overwritten before", async () => {
  const tier = await VirtualTier.start();
  const [near, far] = tier.servers;
  const asked = { holder: 0, leaseMs: LEASE_MS, waitMs: WAIT_MS };
  await tier.settled(write(near, KEY, "old"));
  const first = lease(near, KEY, asked);
  // The node has been asked, and what it answers is on its way.
  await tier.run(1);
  tier.engine.wires.hold(near.name, tier.nodeOf(KEY));
  await tier.settled(write(far, KEY, "new"));
  const later = lease(near, KEY, asked);
  await tier.run(SOON_MS);
  tier.engine.wires.release(near.name, tier.nodeOf(KEY));
  expect(valueIn(await tier.settled(first))).toBe("old");
  expect(valueIn(await tier.settled(later))).toBe("new");
  expect(tier.history.violations).toEqual([]);
});

it("a wait that ends after the shard has begun again is answered as of its new life", async () => {
  const tier = await VirtualTier.start();
  const [near, far] = tier.servers;
  // The model flushes every node but that of the first shard.
  const key = allKeys.find((one) => tier.nodeOf(one) !== tier.engine.primaryOf(0)) ?? KEY;
  const asked = { holder: 0, leaseMs: LEASE_MS };
  expect(await tier.settled(lease(near, key, { ...asked, waitMs: 0 }))).toMatchObject({ kind: "granted" });
  const waited = lease(near, key, { ...asked, waitMs: WAIT_MS });
  await tier.run(SOON_MS);
  const { epoch } = near.store;
  tier.engine.flush(tier.nodeOf(key));
  // Whoever asks the shard finds it lost.
  await tier.settled(read(far, key));
  await tier.run(SOON_MS, () => near.store.epoch !== epoch);
  expect(near.store.epoch).not.toBe(epoch);
  expect((await tier.settled(waited)).kind).toBe("granted");
  expect(tier.history.violations).toEqual([]);
});

/** When a lease whose holder has ended goes to who waits for it at another server. */
import { expect, it } from "vitest";
import { lease } from "./store-calls.ts";
import { VirtualTier } from "./virtual-tier.ts";

const KEY = "note:1";
const LEASE_MS = 60_000;
/** Whoever waits asks again every second. */
const SOON_MS = 100;

it("a lease whose holder has ended goes at once to who waits at another server", async () => {
  const tier = await VirtualTier.start();
  const [near, far] = tier.servers;
  const first = near.store.openHolder(0n);
  const second = far.store.openHolder(0n);
  const asked = { leaseMs: LEASE_MS, waitMs: LEASE_MS };
  expect(await tier.settled(lease(near, KEY, { ...asked, holder: first.id }))).toMatchObject({
    kind: "granted",
  });
  const next = lease(far, KEY, { ...asked, holder: second.id });
  await tier.run(SOON_MS);
  near.store.closeHolder(first);
  expect(await tier.settled(next, SOON_MS)).toMatchObject({ kind: "granted" });
  expect(tier.history.violations).toEqual([]);
});

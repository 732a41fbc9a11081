/** What becomes of a node that slept, cut off from the other nodes, through the election in its place. */
import { describe, expect, it } from "vitest";
import { read, write } from "./store-calls.ts";
import { VirtualTier } from "./virtual-tier.ts";

const KEY = "note:1";
const NODE_TIMEOUT_MS = 500;
const SLEEP_MS = 2_500;
/** The first server waits for the node for longer than it sleeps, and so goes on with it. */
const PATIENCE_MS = 8_000;
/** Every five seconds a server looks at the topology anyway. */
const SOON_MS = 500;

/** Returns when the node has woken up. Meanwhile the second server has written at the elected one. */
async function sleepThroughElection(): Promise<VirtualTier> {
  const settings = { nodeTimeoutMs: NODE_TIMEOUT_MS, patienceMs: PATIENCE_MS, isLateToNotice: true };
  const tier = await VirtualTier.start(settings);
  const [, far] = tier.servers;
  await tier.settled(write(far, KEY, "old"));
  const node = tier.nodeOf(KEY);
  const wakesAtMs = tier.nowMs + SLEEP_MS;
  tier.engine.isolate(node);
  tier.engine.pause(node, SLEEP_MS);
  await tier.run(SLEEP_MS, () => tier.nodeOf(KEY) !== node);
  tier.cut(far, node);
  await tier.settled(write(far, KEY, "new"));
  expect(tier.nowMs).toBeLessThan(wakesAtMs);
  await tier.run(wakesAtMs - tier.nowMs);
  expect(node.isOk).toBe(true);
  return tier;
}

describe("a server whose node slept through the election in its place", () => {
  it("reads nothing of it, though the node takes itself for a primary", async () => {
    const tier = await sleepThroughElection();
    expect(await tier.settled(read(tier.servers[0], KEY))).toBe("new");
    expect(tier.history.violations).toEqual([]);
  });

  it("goes on with the elected one as soon as no majority confirms the other", async () => {
    const tier = await sleepThroughElection();
    expect(await tier.settled(read(tier.servers[0], KEY), SOON_MS)).toBeDefined();
  });
});

/** When a server goes on with a node: one that slept through the election in its place, that was voted against, or whose connection has ended. */
import { describe, expect, it } from "vitest";
import { allKeys } from "../simulation/workload.ts";
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

/** Until nodes know who has won. Confirming a node takes less. */
const NEWS_MS = 50;

describe("a node that most have voted against, and that was confirmed before they knew who had won", () => {
  it("has nothing acknowledged of what it runs once they know", async () => {
    const tier = await VirtualTier.start({ nodeTimeoutMs: 3_000, isLateToNotice: true, newsMs: NEWS_MS });
    const [near] = tier.servers;
    const node = tier.nodeOf(KEY);
    const elsewhere = allKeys.find((key) => tier.nodeOf(key) !== node) ?? "";
    tier.engine.isolate(node);
    await tier.run(6_000, () => tier.engine.elections.length > 0);
    // By what it asks about this write the server finds out, and has all nodes confirmed.
    await expect(tier.settled(write(near, elsewhere, "any"))).rejects.toThrow("elects another node");
    const { entries } = tier.client(near).life;
    const writes: Promise<unknown>[] = [];
    for (let ms = 0; ms < 2 * NEWS_MS; ms++) {
      writes.push(entries.set(KEY, `value ${ms}`).catch((error: Error) => error.message));
      await tier.run(1);
    }
    expect(node.isOk).toBe(true);
    await tier.settled(Promise.all(writes));
    expect(tier.history.violations).toEqual([]);
  });
});

describe("a node whose connection has ended", () => {
  it("waits for the others while one of three is silent", async () => {
    const tier = await VirtualTier.start({ nodeTimeoutMs: 2 * SLEEP_MS, patienceMs: PATIENCE_MS });
    const [near] = tier.servers;
    const silent = tier.engine.primaries.find((node) => node !== tier.nodeOf(KEY));
    if (silent === undefined) throw new Error("there are three primaries");
    const wakesAtMs = tier.nowMs + SLEEP_MS;
    tier.engine.pause(silent, SLEEP_MS);
    tier.cut(near, tier.nodeOf(KEY));
    // A write that is under way would be lost with the connection.
    await tier.run(10);
    await tier.settled(write(near, KEY, "any"));
    expect(tier.nowMs).toBeGreaterThanOrEqual(wakesAtMs);
    expect(tier.history.violations).toEqual([]);
  });
});

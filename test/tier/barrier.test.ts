/** What a near cache may rely on once its server has passed a barrier, whatever that server hears of the engine. */
import { describe, expect, it } from "vitest";
import type { ClientNode } from "../simulation/client-node.ts";
import { allKeys } from "../simulation/workload.ts";
import { VirtualTier } from "./virtual-tier.ts";

const KEY = "note:1";
const SYNC_MAX_MS = 500;
/** A node finds out after one and a half of it that it has no majority. Another is elected within a second after the first one. */
const NODE_TIMEOUT_MS = 3_000;

/** A writer at the second server, and a reader at the first one that has a copy of what was written. */
async function startWithCopy(tier: VirtualTier): Promise<{ reader: ClientNode; writer: ClientNode }> {
  const [near, far] = tier.servers;
  const reader = tier.client(near);
  const writer = tier.client(far);
  await tier.settled(writer.life.entries.set(KEY, "old"));
  // What is read before the subscription is open is not kept.
  await tier.settled(reader.life.entries.get(KEY));
  await tier.settled(reader.life.cache.sync());
  await tier.settled(reader.life.entries.get(KEY));
  expect(reader.life.entries.peek(KEY)).toEqual({ kind: "hit", value: "old" });
  return { reader, writer };
}

/** What a copy has once everything that was written before is known to be gone. */
async function copyAfterSync({ life }: ClientNode): Promise<unknown> {
  try {
    await life.cache.sync({ deadlineMs: SYNC_MAX_MS });
  } catch {
    return "not known";
  }
  return life.entries.peek(KEY);
}

describe("a barrier", () => {
  it("leaves no copy of what was overwritten while the server hears nothing of the node", async () => {
    const tier = await VirtualTier.start();
    const [near] = tier.servers;
    const { reader, writer } = await startWithCopy(tier);
    const node = tier.nodeOf(KEY);
    tier.engine.wires.hold(near.name, node);
    await tier.settled(writer.life.entries.set(KEY, "new"));
    expect(await tier.settled(copyAfterSync(reader))).toBe("not known");
    tier.engine.wires.release(near.name, node);
    expect(await tier.settled(copyAfterSync(reader))).toBeUndefined();
    expect(tier.history.violations).toEqual([]);
  });

  it("answers who asks while another one is being passed by the next one", async () => {
    const tier = await VirtualTier.start();
    const [near] = tier.servers;
    const { reader, writer } = await startWithCopy(tier);
    const first = tier.client(near);
    await tier.settled(first.life.cache.sync());
    const node = tier.nodeOf(KEY);
    const votes = tier.votesFor(near);
    const passed = first.life.cache.sync().then(() => "passed");
    // The nodes have told where their shards are, and have been asked for their epoch.
    await tier.run(SYNC_MAX_MS, () => tier.votesFor(near) > votes);
    for (const one of tier.engine.primaries) tier.engine.wires.hold(near.name, one);
    await tier.settled(writer.life.entries.set(KEY, "new"));
    const copy = copyAfterSync(reader);
    await tier.run(10);
    for (const one of tier.engine.primaries) if (one !== node) tier.engine.wires.release(near.name, one);
    expect(await tier.settled(passed)).toBe("passed");
    expect(await tier.settled(copy)).toBe("not known");
    tier.engine.wires.release(near.name, node);
    expect(await tier.settled(copyAfterSync(reader))).toBeUndefined();
    expect(tier.history.violations).toEqual([]);
  });

  it("is not passed by a node in whose place another one was elected, though it does not know that yet", async () => {
    const tier = await VirtualTier.start({ nodeTimeoutMs: NODE_TIMEOUT_MS, isLateToNotice: true });
    const { reader, writer } = await startWithCopy(tier);
    const node = tier.nodeOf(KEY);
    const elsewhere = allKeys.find((key) => tier.nodeOf(key) !== node) ?? "";
    tier.engine.isolate(node);
    await tier.run(2 * NODE_TIMEOUT_MS, () => tier.engine.elections.length > 0);
    // By what it asks about this write the second server finds out.
    await expect(tier.settled(writer.life.entries.set(elsewhere, "any"))).rejects.toThrow(
      "elects another node",
    );
    await tier.settled(writer.life.entries.set(KEY, "new"));
    // It still answers as a primary.
    expect(node.isOk).toBe(true);
    expect(await tier.settled(copyAfterSync(reader))).not.toEqual({ kind: "hit", value: "old" });
    expect(tier.history.violations).toEqual([]);
  });
});

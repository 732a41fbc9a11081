/** What subscribers of a server are told of writes that its feed did not tell it of. */
import { describe, expect, it } from "vitest";
import type { SubscriberRead } from "../../src/store/api/store.ts";
import { NAMESPACE_NAME } from "../simulation/client-node.ts";
import { write } from "./store-calls.ts";
import { VirtualTier } from "./virtual-tier.ts";

const KEY = "note:1";
const ALL = [{ namespace: NAMESPACE_NAME, prefixes: [""] }];
/** Shorter than what a server waits before it takes a push for lost that an answer is as of. */
const SOON_MS = 50;
/** Until a connection that was cut is there again, and the shards at its node are followed. */
const RECONNECTED_MS = 500;

const revisionsOf = (read: SubscriberRead | undefined): unknown =>
  read?.kind === "events" ? read.events.map(({ revision }) => revision) : read?.kind;

async function startFollowed() {
  const tier = await VirtualTier.start();
  const [near, far] = tier.servers;
  const subscriber = near.store.subscribe(ALL, Buffer.alloc(0), () => {});
  const writeFar = async (value: string): Promise<number> => {
    const result = await tier.settled(write(far, KEY, value));
    return result.asOf.revision;
  };
  return {
    tier,
    near,
    node: tier.nodeOf(KEY),
    writeFar,
    read: () => revisionsOf(subscriber.read(10, 10_000)),
  };
}

describe("the feed of a server that nobody asks", () => {
  it("tells of an event whose push was lost as soon as the next one shows that", async () => {
    const { tier, node, writeFar, read } = await startFollowed();
    node.lostPushes = 1;
    const lost = await writeFar("lost");
    node.lostPushes = 0;
    expect(read()).toBeUndefined();
    const next = await writeFar("next");
    await tier.run(SOON_MS);
    expect(read()).toEqual([lost, next]);
  });

  it("tells without a gap of what was written while its connection was gone", async () => {
    const { tier, near, node, writeFar, read } = await startFollowed();
    tier.cut(near, node);
    const missed = await writeFar("missed");
    await tier.run(RECONNECTED_MS);
    expect(read()).toEqual([missed]);
  });
});

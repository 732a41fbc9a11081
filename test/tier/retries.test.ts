/** What becomes of a write that is sent again while its shard begins again. */
import { expect, it } from "vitest";
import { text } from "../../src/client/api/codecs.ts";
import { NAMESPACE_NAME } from "../simulation/client-node.ts";
import { read, write } from "./store-calls.ts";
import { VirtualTier } from "./virtual-tier.ts";

const KEY = "note:1";

it("a write that is sent again takes no second effect in the next life of its shard", async () => {
  const tier = await VirtualTier.start();
  const [first, second] = tier.servers;
  const client = tier.client(first);
  // Without a near cache it subscribes to nothing, and so waits for no barrier when it has connected.
  const entries = client.life.cache.namespace(NAMESPACE_NAME, { codec: text(), nearCache: false });
  await tier.settled(entries.get(KEY));
  // It takes effect, and its server ends before the client has the answer.
  client.wire.downHeld = true;
  const sent = entries.set(KEY, "sent twice");
  const failed = expect(sent).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  await tier.run(10);
  expect(await tier.settled(read(second, KEY))).toBe("sent twice");
  const node = tier.nodeOf(KEY);
  // The other server, where the client sends it again, has yet to hear that the shard is elsewhere.
  tier.engine.wires.hold(second.name, node);
  first.kill();
  client.wire.downHeld = false;
  tier.engine.switchOver(node);
  first.start();
  await tier.run(500, () => first.problem() === undefined);
  await tier.settled(write(first, KEY, "later"));
  tier.engine.wires.release(second.name, node);
  await tier.settled(failed);
  expect(await tier.settled(read(first, KEY))).toBe("later");
  expect(tier.history.violations).toEqual([]);
});

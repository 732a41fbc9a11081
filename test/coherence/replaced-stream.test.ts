/** During a handover from a draining server to the next a client receives events from two streams. */
import { describe, expect, it } from "vitest";
import { json } from "../../src/index.ts";
import { createScriptedClient, hit, keyEvent, NAMESPACE, prefixEvent } from "../support/scripted-client.ts";

async function moving() {
  const mesh = createScriptedClient();
  const users = mesh.cache.namespace(NAMESPACE, { codec: json<string>() });
  await mesh.settle();
  const first = mesh.server.link;
  const read = users.get("k");
  await mesh.settle();
  first.takeBatch().answer(hit("v1", { revision: 5 }));
  await read;
  // An unanswered read keeps the first stream open.
  void users.get("owed").catch(() => undefined);
  await mesh.settle();
  first.send({ case: "draining", value: {} });
  await mesh.settle();
  const next = mesh.server.link;
  expect(next).not.toBe(first);
  expect(first.closedByClient).toBe(false);
  return { mesh, users, first, next };
}

describe("A stream that was replaced", () => {
  it("still invalidates the entries that its events concern", async () => {
    for (const event of [keyEvent("k", { revision: 6 }), prefixEvent("k", { revision: 6 })]) {
      const { mesh, users, first, next } = await moving();
      expect((await users.entry("k")).source).toBe("near");
      first.event(event);
      void users.get("k").catch(() => undefined);
      await mesh.settle();
      expect(next.batchesWaiting).toBe(1);
    }
  });

  it("delivers nothing to subscribers, because the primary stream delivers every event once", async () => {
    const { mesh, users, first, next } = await moving();
    const events = users.subscribe();
    await mesh.settle();
    first.event(keyEvent("k", { revision: 6 }));
    next.event(keyEvent("k", { revision: 6 }));
    next.event(keyEvent("k", { revision: 7 }));
    const received = [];
    for await (const event of events) {
      received.push(event);
      if (received.length === 2) break;
    }
    expect(received).toMatchObject([{ revision: 6 }, { revision: 7 }]);
  });
});

/** Subscribers and barriers during the handover from a draining server to the next. */
import { describe, expect, it } from "vitest";
import { Gap_Reason } from "../../gen/meshcache/v1/cache_pb.ts";
import { type CacheEvent, json } from "../../src/index.ts";
import { createScriptedClient, hit, keyEvent, NAMESPACE } from "../support/scripted-client.ts";
import { EPOCH } from "../support/scripted-server.ts";

async function subscribed() {
  const mesh = createScriptedClient();
  const users = mesh.cache.namespace(NAMESPACE, { codec: json<string>() });
  const events = users.subscribe();
  await mesh.settle();
  const received: CacheEvent[] = [];
  void (async () => {
    for await (const event of events) received.push(event);
  })();
  return { mesh, users, received, first: mesh.server.link };
}

describe("A handover", () => {
  it("delivers each event once to a subscriber, though both streams deliver it", async () => {
    const { mesh, received, first } = await subscribed();
    mesh.server.autoEpoch = undefined;
    first.send({ case: "draining", value: {} });
    const next = mesh.server.link;
    // After the next stream has asked to resume, and before it is ready.
    first.event(keyEvent("a", { revision: 6 }), keyEvent("b", { revision: 6 }));
    await mesh.settle();
    const [open] = next.requests;
    const [resumed] = next.takeSubscriptions();
    if (open === undefined || resumed === undefined) throw new Error("the client does not resume");
    next.opened(open.id);
    next.opened(resumed.id);
    next.event(keyEvent("a", { revision: 6 }), keyEvent("b", { revision: 6 }));
    next.event(keyEvent("c", { revision: 7 }), keyEvent("d", { revision: 7 }));
    next.event(keyEvent("e", { revision: 2, shard: 1 }));
    await mesh.settle();
    expect(received.map((event) => "name" in event && event.name)).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("completes a barrier only by the primary stream", async () => {
    const { mesh, users, first } = await subscribed();
    void users.get("owed").catch(() => undefined);
    await mesh.settle();
    first.stopAnswering();
    mesh.server.autoEpoch = undefined;
    let passed = false;
    void mesh.cache.sync({ deadlineMs: 10_000 }).then(() => {
      passed = true;
    });
    await mesh.settle();
    const [nonce] = first.takePings().slice(-1);
    first.send({ case: "draining", value: {} });
    const next = mesh.server.link;
    const [open] = next.requests;
    const [resumed] = next.takeSubscriptions();
    if (open === undefined || resumed === undefined) throw new Error("the client does not resume");
    next.opened(open.id);
    next.opened(resumed.id);
    // The first stream was overrun. Only the next stream delivers the events that it missed.
    first.send({
      case: "gap",
      value: { reason: Gap_Reason.OVERRUN, epoch: EPOCH, cursor: first.cursor() },
    });
    first.progress(nonce);
    await mesh.settle();
    expect(passed).toBe(false);
    for (const one of next.takePings()) next.progress(one);
    await mesh.settle();
    expect(passed).toBe(true);
  });
});

describe("C9: a namespace that is opened while the next stream is under way", () => {
  /** The first subscription of the next stream is without it, and the second one has it. */
  async function openedMeanwhile() {
    const mesh = createScriptedClient();
    const codec = json<string>();
    mesh.cache.namespace("others", { codec });
    await mesh.settle();
    const first = mesh.server.link;
    mesh.server.autoEpoch = undefined;
    first.stopAnswering();
    first.send({ case: "draining", value: {} });
    const next = mesh.server.link;
    const users = mesh.cache.namespace(NAMESPACE, { codec });
    await mesh.settle();
    for (const { id } of first.takeSubscriptions()) first.opened(id);
    const promote = async () => {
      const [open] = next.requests;
      if (open === undefined) throw new Error("the client does not resume");
      next.opened(open.id);
      for (const { id } of next.takeSubscriptions()) next.opened(id);
      for (const nonce of next.takePings()) next.progress(nonce);
      await mesh.settle();
      for (const nonce of next.takePings()) next.progress(nonce);
      await mesh.settle();
    };
    return { mesh, users, first, next, promote };
  }

  it("drops its copies: the events between them and its subscription may be missing", async () => {
    const { mesh, users, first, next, promote } = await openedMeanwhile();
    const reading = users.get("a");
    await mesh.settle();
    first.takeBatch().answer(hit("old", { revision: 5 }));
    expect(await reading).toEqual({ kind: "hit", value: "old" });
    expect(mesh.cache.stats().near.entries).toBe(1);
    await promote();
    const again = users.get("a");
    await mesh.settle();
    next.takeBatch().answer(hit("new", { revision: 6 }));
    expect(await again).toEqual({ kind: "hit", value: "new" });
    const { hits } = mesh.cache.stats().near;
    await users.get("a");
    expect(mesh.cache.stats().near.hits).toBe(hits + 1);
  });

  it("keeps no answer of the replaced stream", async () => {
    const { mesh, users, first, promote } = await openedMeanwhile();
    const reading = users.get("a");
    await mesh.settle();
    const asked = first.takeBatch();
    await promote();
    asked.answer(hit("old", { revision: 5 }));
    expect(await reading).toEqual({ kind: "hit", value: "old" });
    expect(mesh.cache.stats().near.entries).toBe(0);
  });

  it("tells its subscriber of a gap", async () => {
    const { mesh, users, promote } = await openedMeanwhile();
    const events = users.subscribe()[Symbol.asyncIterator]();
    await mesh.settle();
    const next = events.next();
    await promote();
    expect(await next).toMatchObject({ value: { kind: "gap" } });
  });
});

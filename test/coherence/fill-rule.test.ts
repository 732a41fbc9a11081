/** Scenarios 1 to 8, 24, 26, 28 and 30: what may enter the near cache, frame by frame. */
import { describe, expect, it } from "vitest";
import { json, type Namespace } from "../../src/index.ts";
import {
  allEvent,
  createScriptedClient,
  hit,
  invalidated,
  keyEvent,
  miss,
  NAMESPACE,
  notModified,
  type ScriptedClient,
  stored,
  tagEvent,
} from "../support/scripted-client.ts";
import { OTHER_EPOCH } from "../support/scripted-server.ts";

async function start(): Promise<ScriptedClient & { users: Namespace<string> }> {
  const client = createScriptedClient();
  const users = client.cache.namespace(NAMESPACE, { codec: json<string>() });
  await client.settle();
  return { ...client, users };
}

/** How many batches a read sends. 0: it is a near hit. */
async function batchesOf({ server, settle }: ScriptedClient, read: () => Promise<unknown>): Promise<number> {
  const before = server.link.batchesWaiting;
  read().catch(() => undefined);
  await settle();
  return server.link.batchesWaiting - before;
}

describe("The fill rule", () => {
  it("keeps an answer that no event has overtaken", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    mesh.server.link.takeBatch().answer(hit("v1", { revision: 5 }));
    expect(await read).toEqual({ kind: "hit", value: "v1" });
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(0);
  });

  it("scenario 1: does not keep what was read before a write whose event came first", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    mesh.server.link.event(keyEvent("k", { revision: 6 }));
    mesh.server.link.takeBatch().answer(hit("v1", { revision: 5 }));
    expect(await read).toEqual({ kind: "hit", value: "v1" });
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(1);
  });

  it("scenario 1: an event of another key, tag or prefix does not prevent the fill", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    mesh.server.link.event(keyEvent("other", { revision: 6 }), tagEvent("other", { revision: 7 }));
    mesh.server.link.takeBatch().answer(hit("v1", { revision: 5, tags: ["mine"] }));
    await read;
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(0);
  });

  it("scenario 2: an event right behind the answer is applied before the promise of the answer resolves", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    // One chunk: both frames are handled before the callbacks of the promise run.
    mesh.server.link.takeBatch().answer(hit("v1", { revision: 5 }));
    mesh.server.link.event(keyEvent("k", { revision: 6 }));
    let second: Promise<unknown> | undefined;
    const first = read.then((outcome) => {
      second = mesh.users.get("k");
      return outcome;
    });
    expect(await first).toEqual({ kind: "hit", value: "v1" });
    await mesh.settle();
    expect(mesh.server.link.batchesWaiting).toBe(1);
    mesh.server.link.takeBatch().answer(hit("v2", { revision: 6 }));
    expect(await second).toEqual({ kind: "hit", value: "v2" });
  });

  it("scenario 3: does not keep what was read before the namespace was cleared", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    mesh.server.link.event(allEvent({ revision: 6 }));
    mesh.server.link.takeBatch().answer(hit("v1", { revision: 5 }));
    await read;
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(1);
  });

  it("scenario 3: a clear of one shard does not prevent the fill from another shard", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    mesh.server.link.event(allEvent({ revision: 6, shard: 1 }));
    mesh.server.link.takeBatch().answer(hit("v1", { revision: 5, shard: 0 }));
    await read;
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(0);
  });

  it("scenario 4: the fill rule holds for a read under way although the near cache is full: there is no marker to evict", async () => {
    const client = createScriptedClient({ nearCache: { maxBytes: 65_536 } });
    const users = client.cache.namespace(NAMESPACE, { codec: json<string>() });
    await client.settle();
    const read = users.get("k");
    await client.settle();
    const waiting = client.server.link.takeBatch();
    const others = Array.from({ length: 100 }, (_, index) => users.get(`other:${index}`));
    await client.settle();
    const large = "x".repeat(1_000);
    client.server.link.takeBatch().answer(...others.map(() => hit(large, { revision: 5 })));
    await Promise.all(others);
    expect(client.cache.stats().near.evicted).toBeGreaterThan(0);
    client.server.link.event(keyEvent("k", { revision: 6 }));
    waiting.answer(hit("v1", { revision: 5 }));
    await read;
    expect(await batchesOf(client, () => users.get("k"))).toBe(1);
  });

  it("scenario 5: ignores an event that the entry already reflects", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    mesh.server.link.takeBatch().answer(hit("v2", { revision: 6, tags: ["t"] }));
    await read;
    mesh.server.link.event(keyEvent("k", { revision: 6 }));
    mesh.server.link.event(tagEvent("t", { revision: 5 }), allEvent({ revision: 4 }));
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(0);
    mesh.server.link.event(tagEvent("t", { revision: 7 }));
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(1);
  });

  it("scenario 6: the event of an own write does not remove the value that was just written", async () => {
    const mesh = await start();
    const write = mesh.users.set("k", "mine");
    await mesh.settle();
    mesh.server.link.takeBatch().answer(stored({ revision: 6 }));
    await write;
    mesh.server.link.event(keyEvent("k", { revision: 6 }));
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(0);
    expect(await mesh.users.get("k")).toEqual({ kind: "hit", value: "mine" });
  });

  it("scenario 7: an own write is not kept when a later write's event came before its answer", async () => {
    const mesh = await start();
    const write = mesh.users.set("k", "mine");
    await mesh.settle();
    mesh.server.link.event(keyEvent("k", { revision: 6 }), keyEvent("k", { revision: 7 }));
    mesh.server.link.takeBatch().answer(stored({ revision: 6 }));
    expect(await write).toMatchObject({ kind: "stored" });
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(1);
  });

  it("scenario 7: nor is a read kept that was sent before an own write and answered after it", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    const older = mesh.server.link.takeBatch();
    const clear = mesh.users.invalidate({ keys: ["k"] });
    await mesh.settle();
    // The event is still under way.
    mesh.server.link.takeBatch().answer(invalidated({ revision: 6 }));
    await clear;
    older.answer(hit("v1", { revision: 5 }));
    await read;
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(1);
  });

  it("scenario 8: keeps no answer to a request from before the subscription was live", async () => {
    const mesh = createScriptedClient();
    mesh.server.autoEpoch = undefined;
    // A namespace without a near cache connects first, so that the subscription comes late.
    const plain = mesh.cache.namespace("plain", { codec: json<string>(), nearCache: false });
    void plain.get("any").catch(() => undefined);
    await mesh.settle();
    const { link } = mesh.server;
    link.opened(1n);
    await mesh.settle();
    link.takeBatch().answer(miss({ revision: 1 }));

    const users = mesh.cache.namespace(NAMESPACE, { codec: json<string>() });
    await mesh.settle();
    const early = users.get("k");
    await mesh.settle();
    const [subscription] = link.takeSubscriptions();
    link.opened(subscription?.id ?? 0n);
    link.progress();
    for (const nonce of link.takePings()) link.progress(nonce);
    link.takeBatch().answer(hit("v1", { revision: 5 }));
    await early;
    expect(mesh.cache.stats().near).toMatchObject({ fills: 0, fillsRefused: 1 });

    const late = users.get("k");
    await mesh.settle();
    link.takeBatch().answer(hit("v1", { revision: 5 }));
    await late;
    expect(await batchesOf(mesh, () => users.get("k"))).toBe(0);
  });

  it("scenario 24: a kept absence and a kept miss end when the key is created", async () => {
    const mesh = await start();
    for (const [key, answer] of [
      ["absent", hit("", { revision: 5, absent: true })],
      ["missing", miss({ revision: 5 })],
    ] as const) {
      const read = mesh.users.get(key);
      await mesh.settle();
      mesh.server.link.takeBatch().answer(answer);
      const { kind } = await read;
      expect(await batchesOf(mesh, () => mesh.users.get(key))).toBe(0);
      expect(await mesh.users.get(key)).toEqual({ kind });
      mesh.server.link.event(keyEvent(key, { revision: 6 }));
      expect(await batchesOf(mesh, () => mesh.users.get(key))).toBe(1);
      mesh.server.link.takeBatch().answer(miss({ revision: 6 }));
      await mesh.settle();
    }
    // The key is created while the read is under way: the answer is older than the event.
    const read = mesh.users.get("created");
    await mesh.settle();
    mesh.server.link.event(keyEvent("created", { revision: 8 }));
    mesh.server.link.takeBatch().answer(miss({ revision: 7 }));
    await read;
    expect(await batchesOf(mesh, () => mesh.users.get("created"))).toBe(1);
  });

  it("scenario 26: a late confirmation does not restore a suspect entry that was invalidated", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    mesh.server.link.takeBatch().answer(hit("v1", { revision: 5, tags: ["t"] }));
    await read;
    mesh.server.link.send({
      case: "gap",
      value: { reason: 4, epoch: 7n, cursor: mesh.server.link.cursor() },
    });
    const again = mesh.users.get("k");
    await mesh.settle();
    const batch = mesh.server.link.takeBatch();
    expect(batch.operations[0]?.operation).toMatchObject({ case: "get", value: { ifVersion: 5n } });
    mesh.server.link.event(tagEvent("t", { revision: 7 }));
    batch.answer(notModified({ revision: 6 }));
    expect(await again).toEqual({ kind: "hit", value: "v1" });
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(1);
  });

  it("scenario 28: an answer that lags behind what the client already knows is returned and not kept", async () => {
    const mesh = await start();
    const { link } = mesh.server;
    const lagging = async (key: string, revision: number) => {
      const read = mesh.users.get(key, { maxStalenessMs: 0 });
      await mesh.settle();
      link.takeBatch().answer(hit("old", { revision }));
      expect(await read).toEqual({ kind: "hit", value: "old" });
    };
    // The client knows of an event.
    link.event(keyEvent("told", { revision: 6 }));
    await lagging("told", 5);
    expect(await batchesOf(mesh, () => mesh.users.get("told"))).toBe(1);
    link.takeBatch().answer(miss({ revision: 6 }));
    // It knows of its own write.
    const clear = mesh.users.invalidate({ keys: ["written"] });
    await mesh.settle();
    link.takeBatch().answer(invalidated({ revision: 7 }));
    await clear;
    await lagging("written", 6);
    expect(await batchesOf(mesh, () => mesh.users.get("written"))).toBe(1);
    link.takeBatch().answer(hit("new", { revision: 9 }));
    await mesh.settle();
    // It knows of a newer answer, which stays in the near cache.
    await lagging("written", 8);
    expect(await batchesOf(mesh, () => mesh.users.get("written"))).toBe(0);
    expect(await mesh.users.get("written")).toEqual({ kind: "hit", value: "new" });
  });

  it("scenario 30: keeps a new range only after the subscription that covers it was opened", async () => {
    const mesh = createScriptedClient();
    const users = mesh.cache.namespace(NAMESPACE, { codec: json<string>() });
    await mesh.settle();
    const { link } = mesh.server;
    link.stopAnswering();
    const read = users.get("k");
    await mesh.settle();
    link.takeBatch().answer(hit("v1", { revision: 5 }));
    await read;
    link.takeSubscriptions();

    const orders = mesh.cache.namespace("orders", { codec: json<string>() });
    const early = orders.get("o");
    await mesh.settle();
    const [widened] = link.takeSubscriptions();
    expect(widened?.what.selectors.map((one) => one.namespace).sort()).toEqual(["orders", NAMESPACE]);
    link.takeBatch().answer(hit("old", { revision: 5 }));
    await early;
    link.opened(widened?.id ?? 0n);
    // The entry of the covered range is still served. The answer that came too early was not kept.
    expect(await batchesOf(mesh, () => users.get("k"))).toBe(0);
    expect(await batchesOf(mesh, () => orders.get("o"))).toBe(1);
    link.takeBatch().answer(hit("new", { revision: 6 }));
    await mesh.settle();
    expect(await batchesOf(mesh, () => orders.get("o"))).toBe(0);
  });

  it("keeps no answer of another epoch", async () => {
    const mesh = await start();
    const read = mesh.users.get("k");
    await mesh.settle();
    mesh.server.link.takeBatch().answer(hit("v1", { revision: 5, epoch: OTHER_EPOCH }));
    await read;
    expect(await batchesOf(mesh, () => mesh.users.get("k"))).toBe(1);
  });

  it("keeps answers of the epoch that its subscription names, which the store came to while the stream had none", async () => {
    const mesh = createScriptedClient();
    await mesh.cache.sync();
    const { link } = mesh.server;
    link.stopAnswering();
    const users = mesh.cache.namespace(NAMESPACE, { codec: json<string>() });
    await mesh.settle();
    const [subscription] = link.takeSubscriptions();
    link.opened(subscription?.id ?? 0n, OTHER_EPOCH);
    link.progress();
    const read = users.get("k");
    await mesh.settle();
    link.takeBatch().answer(hit("v1", { revision: 5, epoch: OTHER_EPOCH }));
    await read;
    expect(await batchesOf(mesh, () => users.get("k"))).toBe(0);
  });
});

/** The limits that a server says in its greeting: followed at every connect, and assumed where it says nothing. */
import { describe, expect, it } from "vitest";
import type { Operation } from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError, fieldInvalid } from "../../../src/common/errors.ts";
import { json, text } from "../../../src/index.ts";
import { toStatus } from "../../../src/rpc/status.ts";
import { createScriptedClient, NAMESPACE, stamp, stored } from "../../support/scripted-client.ts";
import type { Reply, ScriptedBatch } from "../../support/scripted-server.ts";

const codec = json<string>();
const invalidated = (removed: number): Reply => ({
  case: "invalidate",
  value: { stamps: [stamp({ revision: 1 })], removed: BigInt(removed) },
});

const settled = (promise: Promise<unknown>) =>
  promise.then(
    (answer) => answer,
    (error) => ({ reason: error.reason, detail: error.detail }),
  );
const refused = (field: string, bound: string) => ({
  reason: "FIELD_INVALID",
  detail: { field, bound: expect.stringContaining(bound) },
});

function keysOf({ operation }: Operation): number {
  const target = operation.case === "invalidate" ? operation.value.target : undefined;
  return target?.case === "keys" ? target.value.keys.length : 0;
}

/** Answers every batch of Invalidates with as many as its keys. */
function answerInvalidates(batch: ScriptedBatch): number[] {
  const counts = batch.operations.map(keysOf);
  batch.answer(...counts.map(invalidated));
  return counts;
}

describe("A server's limits", () => {
  it("are not guessed before the first greeting: what some server takes waits for it", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    server.limits = { keyMaxBytes: 600 };
    const users = cache.namespace(NAMESPACE, { codec });
    const fits = settled(users.set("x".repeat(600), "v"));
    const breaks = settled(users.set("x".repeat(601), "v"));
    await settle();
    expect(await breaks).toEqual(refused("key", "600"));
    const batch = server.link.takeBatch();
    expect(batch.operations).toHaveLength(1);
    batch.answer(stored({ revision: 1 }));
    expect(await fits).toMatchObject({ kind: "stored" });
  });

  it("are those of the next server after a reconnect, for what is made, what waits and what is sent again", async () => {
    const { cache, server, clock, settle } = createScriptedClient({ nearCache: false, deadlineMs: 60_000 });
    server.limits = { valueMaxBytes: 100 };
    const users = cache.namespace(NAMESPACE, { codec: text() });
    const sent = [settled(users.set("a", "x".repeat(100))), settled(users.set("b", "x".repeat(9)))];
    await settle();
    expect(server.link.takeBatch().operations).toHaveLength(2);
    server.limits = { valueMaxBytes: 10 };
    server.link.reset();
    const waits = settled(users.set("c", "x".repeat(50)));
    clock.advance(1_000);
    await settle();
    expect(await sent[0]).toEqual(refused("value", "10"));
    expect(await waits).toEqual(refused("value", "10"));
    expect(server.link.takeBatch().operations).toHaveLength(1);
    expect(await settled(users.set("d", "x".repeat(11)))).toEqual(refused("value", "10"));
    expect(cache.stats().connection).toMatchObject({ streams: 2, inFlight: 1 });
  });

  it.each([
    ["a namespace", { namespaceMaxBytes: 4 }, "namespace"],
    ["a tag", { tagMaxBytes: 2 }, "tags"],
    ["the number of tags", { entryMaxTags: 1 }, "tags"],
    ["a content type", { contentTypeMaxBytes: 3 }, "contentType"],
    ["a TTL", { lifetimeMaxMs: 999n }, "ttlMs"],
  ])("fail a Set that waited with %s beyond them", async (_what, limits, field) => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    server.limits = limits;
    const users = cache.namespace(NAMESPACE, { codec });
    const outcome = settled(users.set("k", "v", { tags: ["one", "two"], ttlMs: 1_000 }));
    await settle();
    expect(await outcome).toMatchObject({ reason: "FIELD_INVALID", detail: { field } });
    expect(cache.stats().connection).toMatchObject({ state: "ready", inFlight: 0 });
  });

  it("shorten a lease that waited", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    server.limits = { leaseMaxMs: 700, leaseWaitMaxMs: 0 };
    void settled(cache.namespace(NAMESPACE, { codec }).getOrLoad("k", () => "v"));
    await settle();
    const [operation] = server.link.takeBatch().operations;
    expect(operation?.operation).toMatchObject({ case: "lease", value: { leaseMs: 700, waitMs: 0 } });
  });

  it("cut an Invalidate that waited into as many messages as they ask for", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    server.limits = { invalidateMaxKeys: 4 };
    const keys = Array.from({ length: 10 }, (_, index) => `k${index}`);
    const outcome = settled(cache.namespace(NAMESPACE, { codec }).invalidate({ keys }));
    await settle();
    const counts: number[] = [];
    while (server.link.batchesWaiting > 0) counts.push(...answerInvalidates(server.link.takeBatch()));
    expect(counts).toEqual([4, 4, 2]);
    expect(await outcome).toEqual({ removed: 10 });
  });

  it("bound the batches", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    server.limits = { batchMaxOperations: 3 };
    const users = cache.namespace(NAMESPACE, { codec });
    for (let index = 0; index < 20; index += 1) users.get(`${index}`).catch(() => undefined);
    await settle();
    while (server.link.batchesWaiting > 0) {
      expect(server.link.takeBatch().operations.length).toBeLessThanOrEqual(3);
    }
  });

  it("of an older server are the defaults for whatever costs more than one operation", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    const users = cache.namespace(NAMESPACE, { codec: text() });
    const calls = [
      // The server refuses it by itself, if it does.
      settled(users.get("x".repeat(2_000))),
      settled(users.set("large", "x".repeat(2_500_000))),
    ];
    await settle();
    expect(server.link.takeBatch().operations).toHaveLength(1);
    expect(await calls[1]).toEqual(refused("operation", "2097152"));
    const keys = Array.from({ length: 1_030 }, (_, index) => `k${index}`);
    users.invalidate({ keys }).catch(() => undefined);
    await settle();
    expect(server.link.takeBatch().operations.map(keysOf)).toEqual([1_024, 6]);
  });
});

describe("A subscription", () => {
  const prefixes = Array.from({ length: 60 }, (_, index) => `p${index}`);

  async function connect() {
    const client = createScriptedClient({ nearCache: false });
    client.server.autoEpoch = undefined;
    const subscription = client.cache.namespace(NAMESPACE, { codec }).subscribe({ prefixes });
    await client.settle();
    return { ...client, subscription };
  }
  const tooMany = toStatus(fieldInvalid("prefixes", "at most 5 prefixes"));

  it("that was refused before the limits were known is made again, and nothing is lost", async () => {
    const { server, settle, subscription, cache } = await connect();
    const { link } = server;
    const [refusedOne] = link.takeSubscriptions();
    expect(refusedOne?.what.selectors[0]?.prefixes).toHaveLength(60);
    link.limits = { subscriptionMaxPrefixes: 5 };
    link.opened(1n);
    link.send({ case: "error", value: tooMany }, refusedOne?.id ?? 0n);
    const [again] = link.takeSubscriptions();
    expect(again?.what.selectors).toMatchObject([{ namespace: NAMESPACE, prefixes: [] }]);
    link.opened(again?.id ?? 0n);
    await settle();
    await subscription.isLive;
    expect(cache.stats().connection).toMatchObject({ state: "ready", failures: 0, streams: 1 });
  });

  it("that is refused with the limits known ends the stream", async () => {
    const { server, cache } = await connect();
    const { link } = server;
    const [first] = link.takeSubscriptions();
    link.limits = { subscriptionMaxPrefixes: 5 };
    link.opened(1n);
    link.send({ case: "error", value: tooMany }, first?.id ?? 0n);
    const [second] = link.takeSubscriptions();
    link.send({ case: "error", value: tooMany }, second?.id ?? 0n);
    expect(link.closedByClient).toBe(true);
    expect(cache.stats().connection.failures).toBe(1);
  });

  it("with a selector that the policy denies is made again without it, also when another one is behind", async () => {
    const { cache, server, settle } = createScriptedClient();
    server.autoEpoch = undefined;
    server.limits = { namespacePrefixes: true };
    const open = (from: number, to: number) => {
      for (let at = from; at < to; at += 1) cache.namespace(`tenant-${at}`, { codec });
    };
    open(0, 10);
    void settled(cache.namespace("tenant-0", { codec }).get("k"));
    await settle();
    const { link } = server;
    link.limits = { namespacePrefixes: true };
    link.opened(1n);
    for (const { id } of link.takeSubscriptions()) link.opened(id);
    await settle();
    expect(cache.stats().connection.state).toBe("ready");
    open(10, 100);
    await settle();
    open(100, 101);
    cache.namespace("users", { codec });
    await settle();
    const wide = link.takeSubscriptions();
    expect(wide.length).toBeGreaterThan(1);
    const denied = toStatus(
      new CacheError("PERMISSION_DENIED", "denied", {
        permission: "subscribe",
        field: "namespace_is_prefix",
      }),
    );
    for (const { id, what } of wide) {
      expect(what.selectors.some(({ namespaceIsPrefix }) => namespaceIsPrefix)).toBe(true);
      link.send({ case: "error", value: denied }, id);
      await settle();
    }
    const again = link.takeSubscriptions();
    expect(again).toHaveLength(1);
    expect(again[0]?.what.selectors).toHaveLength(64);
    expect(again[0]?.what.selectors.some(({ namespaceIsPrefix }) => namespaceIsPrefix)).toBe(false);
    link.opened(again[0]?.id ?? 0n);
    await settle();
    expect(cache.stats().connection).toMatchObject({
      state: "ready",
      failures: 0,
      streams: 1,
      wideSelectors: 0,
    });
  });

  it("is narrowed when the server takes more than was assumed", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    server.limits = { subscriptionMaxPrefixes: 100 };
    const many = Array.from({ length: 80 }, (_, index) => `p${index}`);
    cache.namespace(NAMESPACE, { codec }).subscribe({ prefixes: many });
    await settle();
    expect(server.link.takeSubscriptions().map(({ what }) => what.selectors[0]?.prefixes.length)).toEqual([
      0, 80,
    ]);
  });

  it("leaves out what the server does not take, and tells its reader", async () => {
    const { cache, server, settle } = createScriptedClient();
    server.limits = { subscriptionMaxSelectors: 2, namespaceMaxBytes: 8 };
    const one = cache.namespace("one", { codec, nearCache: false }).subscribe();
    const long = cache.namespace("a-long-namespace", { codec, nearCache: false }).subscribe();
    const two = cache.namespace("two", { codec, nearCache: false }).subscribe();
    const three = cache.namespace("three", { codec, nearCache: false }).subscribe();
    const read = settled(three[Symbol.asyncIterator]().next());
    const outcomes = Promise.all([one, long, two, three].map(({ isLive }) => settled(isLive)));
    await settle();
    const sent = server.link
      .takeSubscriptions()
      .at(-1)
      ?.what.selectors.map(({ namespace }) => namespace);
    expect(sent).toEqual(["one", "two"]);
    expect(await outcomes).toEqual([
      undefined,
      refused("namespace", "8"),
      undefined,
      { reason: "LIMIT_EXCEEDED", detail: expect.objectContaining({ bound: "2" }) },
    ]);
    expect(await read).toMatchObject({ reason: "LIMIT_EXCEEDED" });
    const four = cache.namespace("four", { codec });
    expect(() => four.subscribe()).toThrow("2");
  });

  it("begins anew, with a gap, where the server does not take its cursor", async () => {
    const { cache, server, clock, settle } = createScriptedClient({ nearCache: false, pingMs: 100 });
    server.limits = { cursorMaxBytes: 1 };
    const subscription = cache.namespace(NAMESPACE, { codec }).subscribe();
    await settle();
    server.link.event({
      stamp: stamp({ revision: 1 }),
      namespace: NAMESPACE,
      kind: 1,
      target: { case: "key", value: "k" },
    });
    clock.advance(100);
    await settle();
    // A cursor that is too long is not acknowledged either.
    expect(server.link.requests.some(({ frame }) => frame.case === "ack")).toBe(false);
    server.link.reset();
    clock.advance(1_000);
    await settle();
    expect(server.link.takeSubscriptions()[0]?.what.cursor).toHaveLength(0);
    const events = subscription[Symbol.asyncIterator]();
    expect(await events.next()).toMatchObject({ value: { kind: "set", name: "k" } });
    expect(await events.next()).toEqual({ done: false, value: { kind: "gap", cause: "cursorExpired" } });
    expect(cache.stats().connection).toMatchObject({ gaps: 1, streams: 2 });
  });
});

describe("A client id that the server refuses", () => {
  it("is what every call fails with", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false, clientId: "too-long" });
    server.autoEpoch = undefined;
    const users = cache.namespace(NAMESPACE, { codec });
    const first = settled(users.get("k"));
    await settle();
    const status = toStatus(fieldInvalid("client_id", "0 to 4 bytes"));
    server.link.send({ case: "error", value: status }, 1n);
    await settle();
    expect(await first).toEqual(refused("client_id", "4"));
    expect(await settled(users.get("k"))).toEqual(refused("client_id", "4"));
  });
});

/** The connection: one message a tick, a bounded window, deadlines, signals, backoff and draining. */
import { describe, expect, it } from "vitest";
import { json, text } from "../../../src/index.ts";
import { createScriptedClient, hit, miss, NAMESPACE, stored } from "../../support/scripted-client.ts";
import { EPOCH } from "../../support/scripted-server.ts";

const codec = json<string>();
const reasonOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "answered",
    (error) => error.reason,
  );

describe("Connection", () => {
  it("sends what was called in one tick as one message, and a lone call without a timer", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    const users = cache.namespace(NAMESPACE, { codec });
    const calls = [users.get("a"), users.set("b", "v"), users.touch("c"), users.invalidate({ tags: ["t"] })];
    await settle();
    expect(server.link.batchesWaiting).toBe(1);
    expect(server.link.takeBatch().operations.map((one) => one.operation.case)).toEqual([
      "get",
      "set",
      "touch",
      "invalidate",
    ]);
    // The clock stands still, so a timer would never run.
    const lone = users.get("d");
    await settle();
    server.link.takeBatch().answer(hit("v", { revision: 1 }));
    expect(await lone).toEqual({ kind: "hit", value: "v" });
    for (const call of calls) call.catch(() => undefined);
  });

  it("names the namespace once for a batch, and in each operation that has another", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    for (const name of ["one", "one", "two"]) {
      cache
        .namespace(name, { codec })
        .get("k")
        .catch(() => undefined);
    }
    await settle();
    const sent = server.link.requests.find(({ frame }) => frame.case === "batch")?.frame;
    if (sent?.case !== "batch") throw new Error("no batch");
    expect(sent.value.namespace).toBe("one");
    expect(sent.value.operations.map(({ operation }) => operation.value?.namespace)).toEqual(["", "", "two"]);
  });

  it("cuts a tick's operations into batches that the server takes", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    const blobs = cache.namespace("blobs", { codec: text() });
    const value = "x".repeat(900_000);
    for (const key of ["a", "b", "c"]) blobs.set(key, value).catch(() => undefined);
    for (let index = 0; index < 250; index += 1) blobs.get(`${index}`).catch(() => undefined);
    await settle();
    const sizes: number[] = [];
    while (server.link.batchesWaiting > 0) sizes.push(server.link.takeBatch().operations.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(253);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_024);
    expect(sizes[0]).toBe(2);
  });

  it("refuses calls that the window has no room for, and takes calls again when there is room", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false, inFlightMaxOperations: 2 });
    const users = cache.namespace(NAMESPACE, { codec });
    const first = [users.get("a"), users.get("b")];
    expect(await reasonOf(users.get("c"))).toBe("LIMIT_EXCEEDED");
    await settle();
    server.link.takeBatch().answer(miss({ revision: 1 }), miss({ revision: 1 }));
    await Promise.all(first);
    const next = users.get("c");
    await settle();
    server.link.takeBatch().answer(miss({ revision: 1 }));
    expect((await next).kind).toBe("miss");
  });

  it("holds back while the link is full", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    const users = cache.namespace(NAMESPACE, { codec });
    users.get("warm-up").catch(() => undefined);
    await settle();
    const { link } = server;
    link.takeBatch();
    link.writable = false;
    users.get("a").catch(() => undefined);
    await settle();
    expect(link.batchesWaiting).toBe(1);
    users.get("b").catch(() => undefined);
    await settle();
    expect(link.batchesWaiting).toBe(1);
    link.drained();
    expect(link.batchesWaiting).toBe(2);
  });

  it("fails a call at its deadline, and an aborted one at once", async () => {
    const { cache, clock, settle } = createScriptedClient({ nearCache: false, deadlineMs: 1_000 });
    const users = cache.namespace(NAMESPACE, { codec });
    const slow = reasonOf(users.get("slow"));
    const quick = reasonOf(users.get("quick", { deadlineMs: 100 }));
    const controller = new AbortController();
    const aborted = reasonOf(users.get("aborted", { signal: controller.signal }));
    await settle();
    controller.abort();
    expect(await aborted).toBe("CANCELLED");
    expect(await reasonOf(users.get("late", { signal: controller.signal }))).toBe("CANCELLED");
    clock.advance(100);
    expect(await quick).toBe("DEADLINE");
    clock.advance(899);
    await settle();
    expect(cache.stats().connection.inFlight).toBe(3);
    clock.advance(1);
    expect(await slow).toBe("DEADLINE");
  });

  it("gives back a lease that is granted after its caller gave up", async () => {
    const { cache, server, clock, settle } = createScriptedClient({ nearCache: false, deadlineMs: 100 });
    const users = cache.namespace(NAMESPACE, { codec });
    const load = users.getOrLoad("k", () => "loaded");
    await settle();
    const batch = server.link.takeBatch();
    clock.advance(100);
    expect(await load).toBe("loaded");
    batch.answer({
      case: "lease",
      value: {
        asOf: { epoch: 7n, shard: 0, revision: 1n },
        outcome: { case: "granted", value: { token: 99n, leaseMs: 5_000n } },
      },
    });
    await settle();
    expect(server.link.takeBatch().operations[0]?.operation).toMatchObject({
      case: "lease",
      value: { key: "k", releaseToken: 99n },
    });
  });

  it("fails calls at once when every address has failed, and connects again with backoff", async () => {
    const { cache, server, clock, settle } = createScriptedClient({
      nearCache: false,
      address: ["one:1", "two:2"],
      backoffMinMs: 100,
      backoffMaxMs: 1_000,
    });
    server.autoEpoch = undefined;
    const users = cache.namespace(NAMESPACE, { codec });
    const call = reasonOf(users.get("k"));
    await settle();
    server.link.reset();
    clock.advance(100);
    expect(cache.stats().connection.state).toBe("connecting");
    server.link.reset();
    expect(await call).toBe("UNAVAILABLE");
    expect(server.links.map(({ address }) => address)).toEqual(["one:1", "two:2"]);
    expect(await reasonOf(users.get("k"))).toBe("UNAVAILABLE");
    expect(await reasonOf(cache.sync())).toBe("UNAVAILABLE");
    server.autoEpoch = 7n;
    clock.advance(1_000);
    await settle();
    expect(cache.stats().connection).toMatchObject({ state: "ready", address: "one:1" });
  });

  it("says why no server can be reached", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    server.autoEpoch = undefined;
    const users = cache.namespace(NAMESPACE, { codec });
    const first = users.get("k").catch(() => undefined);
    await settle();
    server.link.reset();
    await first;
    const refused = { reason: "UNAVAILABLE", cause: { message: "reset by the test" } };
    await expect(users.get("k")).rejects.toMatchObject(refused);
    await expect(cache.sync()).rejects.toMatchObject(refused);
  });

  it("waits longer after each failure, never longer than the limit", async () => {
    const { cache, server, clock, settle } = createScriptedClient({
      nearCache: false,
      backoffMinMs: 100,
      backoffMaxMs: 400,
    });
    server.autoEpoch = undefined;
    cache
      .namespace(NAMESPACE, { codec })
      .get("k")
      .catch(() => undefined);
    await settle();
    for (let failure = 0; failure < 8; failure += 1) {
      const { length } = server.links;
      server.link.reset();
      clock.advance(400);
      expect(server.links.length).toBe(length + 1);
    }
  });

  it("gives up on a server that does not answer Open in time", async () => {
    const { cache, server, clock, settle } = createScriptedClient({ connectTimeoutMs: 500 });
    server.autoEpoch = undefined;
    cache.namespace(NAMESPACE, { codec });
    await settle();
    clock.advance(500);
    expect(server.links[0]?.closedByClient).toBe(true);
  });

  it("moves to the next server when one drains, without losing a call", async () => {
    const { cache, server, settle } = createScriptedClient({ address: ["one:1", "two:2"] });
    const users = cache.namespace(NAMESPACE, { codec });
    await settle();
    const { link: draining } = server;
    const early = users.get("early");
    await settle();
    draining.send({ case: "draining", value: {} });
    await settle();
    expect(server.link.address).toBe("two:2");
    const late = users.get("late");
    await settle();
    server.link.takeBatch().answer(hit("new", { revision: 6 }));
    expect(await late).toEqual({ kind: "hit", value: "new" });
    expect(draining.closedByClient).toBe(false);
    draining.takeBatch().answer(hit("old", { revision: 5 }));
    expect(await early).toEqual({ kind: "hit", value: "old" });
    expect(draining.closedByClient).toBe(true);
    expect(cache.stats().connection).toMatchObject({ streams: 2, failures: 0 });
  });

  it("stays with a draining server while the next one cannot be reached", async () => {
    const { cache, server, clock, settle } = createScriptedClient({ address: ["one:1", "two:2"] });
    const users = cache.namespace(NAMESPACE, { codec });
    await settle();
    const { link: draining } = server;
    server.autoEpoch = undefined;
    draining.send({ case: "draining", value: {} });
    expect(server.links.length).toBe(2);
    server.link.reset();
    const call = users.get("k");
    await settle();
    draining.takeBatch().answer(hit("v", { revision: 5 }));
    expect((await call).kind).toBe("hit");
    clock.advance(5_000);
    expect(server.links.length).toBeGreaterThan(2);
  });

  describe("T8: whose server drains, and has no successor", () => {
    async function drainingAlone() {
      const mesh = createScriptedClient({ nearCache: false });
      const users = mesh.cache.namespace(NAMESPACE, { codec });
      const { server } = mesh;
      const early = users.get("early");
      await mesh.settle();
      const draining = server.link;
      server.autoEpoch = undefined;
      draining.send({ case: "draining", value: {} });
      return { ...mesh, users, draining, early };
    }

    it("leaves it once it has answered, and comes back with backoff", async () => {
      const { cache, users, server, clock, settle, draining, early } = await drainingAlone();
      server.link.reset();
      await settle();
      expect(draining.closedByClient).toBe(false);
      expect(cache.stats().connection.state).toBe("unavailable");
      expect(await reasonOf(users.get("late"))).toBe("UNAVAILABLE");
      draining.takeBatch().answer(hit("v", { revision: 5 }));
      expect(await early).toEqual({ kind: "hit", value: "v" });
      expect(draining.closedByClient).toBe(true);
      const attempts = server.links.length;
      expect(attempts).toBe(2);
      server.autoEpoch = EPOCH;
      for (let waitedMs = 0; server.links.length === attempts && waitedMs < 5_000; waitedMs += 10)
        clock.advance(10);
      expect(server.links.length).toBe(attempts + 1);
      await settle();
      const next = users.get("next");
      await settle();
      server.link.takeBatch().answer(miss({ revision: 6 }));
      expect((await next).kind).toBe("miss");
      expect(cache.stats().connection.streams).toBe(2);
    });

    it("leaves it once every address has failed", async () => {
      const { cache, server, clock, settle } = createScriptedClient({ address: ["one:1", "two:2"] });
      cache.namespace(NAMESPACE, { codec });
      await settle();
      const { link: draining } = server;
      server.autoEpoch = undefined;
      draining.send({ case: "draining", value: {} });
      server.link.reset();
      await settle();
      expect(draining.closedByClient).toBe(false);
      clock.advance(100);
      server.link.reset();
      await settle();
      expect(server.links.map(({ address }) => address)).toEqual(["one:1", "two:2", "one:1"]);
      expect(draining.closedByClient).toBe(true);
      expect(cache.stats().connection.state).toBe("unavailable");
    });

    it("moves to a successor that is there under the same address", async () => {
      const { users, server, settle, draining, early } = await drainingAlone();
      const [open] = server.link.requests;
      if (open === undefined) throw new Error("the client does not connect");
      server.link.opened(open.id);
      const late = users.get("late");
      await settle();
      server.link.takeBatch().answer(miss({ revision: 6 }));
      expect((await late).kind).toBe("miss");
      draining.takeBatch().answer(miss({ revision: 5 }));
      expect((await early).kind).toBe("miss");
      expect(draining.closedByClient).toBe(true);
    });

    it("lets the calls that it still owes finish when the client is closed", async () => {
      const { cache, server, settle, draining, early } = await drainingAlone();
      server.link.reset();
      const closing = cache.close();
      await settle();
      draining.takeBatch().answer(miss({ revision: 5 }));
      expect((await early).kind).toBe("miss");
      await closing;
      expect(draining.closedByClient).toBe(true);
    });

    it("sends what it was asked before it leaves", async () => {
      const { users, server, draining, settle } = await drainingAlone();
      draining.takeBatch().answer(miss({ revision: 5 }));
      const write = users.set("k", "v");
      server.link.reset();
      await settle();
      draining.takeBatch().answer(stored({ revision: 6 }));
      expect((await write).kind).toBe("stored");
      expect(draining.closedByClient).toBe(true);
    });
  });

  it("replaces a connection that is to end before it ends, and asks its address again", async () => {
    const { cache, server, clock, settle } = createScriptedClient({ address: ["one:1", "two:2"] });
    const users = cache.namespace(NAMESPACE, { codec });
    await settle();
    const { link: first } = server;
    for (let times = 0; times < 2; times += 1) first.goesAway();
    expect(server.links.length).toBe(1);
    const early = users.get("early");
    await settle();
    clock.advance(50);
    await settle();
    expect(server.links.map(({ address }) => address)).toEqual(["one:1", "one:1"]);
    const late = users.get("late");
    await settle();
    server.link.takeBatch().answer(hit("new", { revision: 6 }));
    expect(await late).toEqual({ kind: "hit", value: "new" });
    first.takeBatch().answer(hit("old", { revision: 5 }));
    expect(await early).toEqual({ kind: "hit", value: "old" });
    expect(first.closedByClient).toBe(true);
    expect(cache.stats().connection).toMatchObject({ streams: 2, failures: 0, gaps: 0 });
  });

  it("waits before it replaces a connection that is to end as soon as it has begun", async () => {
    const { cache, server, clock, settle } = createScriptedClient();
    cache.namespace(NAMESPACE, { codec });
    await settle();
    for (let ms = 0; ms < 10_000; ms += 10) {
      server.link.goesAway();
      clock.advance(10);
      await settle();
    }
    expect(server.links.length).toBeGreaterThan(1);
    expect(server.links.length).toBeLessThan(700);
  });

  it("lets calls finish when it is closed, refuses new ones, and closes once", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    const users = cache.namespace(NAMESPACE, { codec });
    const write = users.set("k", "v");
    await settle();
    const closing = cache.close();
    expect(cache.close()).toBe(closing);
    await settle();
    expect(await reasonOf(users.get("k"))).toBe("CLOSED");
    expect(() => cache.namespace("more")).toThrow("closed");
    server.link.takeBatch().answer(stored({ revision: 1 }));
    expect((await write).kind).toBe("stored");
    await closing;
    expect(server.link.closedByClient).toBe(true);
    expect(cache.stats().connection.state).toBe("closed");
  });

  it("does not wait, when it is closed, for a call that was given up before it was sent", async () => {
    const { cache, server, clock, settle } = createScriptedClient({ nearCache: false });
    const users = cache.namespace(NAMESPACE, { codec });
    for (let at = 0; at < 5; at += 1) {
      users.get(`${at}`, { deadlineMs: 100 }).catch(() => undefined);
      await settle();
    }
    clock.advance(100);
    const closing = cache.close({ graceMs: 600_000 });
    await settle();
    while (server.link.batchesWaiting > 0) server.link.takeBatch().answer(miss({ revision: 1 }));
    await settle();
    await closing;
    expect(cache.stats().connection.state).toBe("closed");
  });

  it("fails what has not finished within the grace period", async () => {
    const { cache, clock, settle } = createScriptedClient({ nearCache: false });
    const call = reasonOf(cache.namespace(NAMESPACE, { codec }).get("k"));
    await settle();
    const closing = cache.close({ graceMs: 50 });
    await settle();
    clock.advance(50);
    await closing;
    expect(await call).toBe("CLOSED");
    expect(clock.pending).toBe(0);
  });

  it("fails the operations of a batch that was refused as a whole, and goes on", async () => {
    const { cache, server, settle } = createScriptedClient({ nearCache: false });
    const users = cache.namespace(NAMESPACE, { codec });
    const call = reasonOf(users.get("k"));
    await settle();
    const request = server.link.requests.find(({ frame }) => frame.case === "batch");
    server.link.send({ case: "error", value: { code: 3, message: "no" } }, request?.id);
    expect(await call).toBe("FIELD_INVALID");
    expect(cache.stats().connection.state).toBe("ready");
  });
});

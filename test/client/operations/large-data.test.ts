/** C3: data that is long or deep neither breaks the stack nor takes more time than in proportion. */
import { getEventListeners } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Event_Kind } from "../../../gen/meshcache/v1/cache_pb.ts";
import { deepFreeze, freezeIfPlain, isDeepFrozen } from "../../../src/client/api/deep-freeze.ts";
import { onAbort } from "../../../src/client/api/signals.ts";
import { Call, CallPlan } from "../../../src/client/connection/pending-call.ts";
import { CallQueue } from "../../../src/client/connection/send-window.ts";
import { getOperation } from "../../../src/client/messages/requests.ts";
import { EventQueue } from "../../../src/client/operations/event-subscription.ts";
import { InvalidationBacklog } from "../../../src/client/operations/invalidation-backlog.ts";
import { Acknowledgement, QueuedName } from "../../../src/client/operations/queued-name.ts";
import { json } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Arrays in arrays. Not `toEqual`: that recurses too. */
function nested(depth: number): unknown[] {
  let value: unknown[] = [];
  for (let at = 1; at < depth; at += 1) value = [value];
  return value;
}

async function start() {
  const mesh = new Mesh();
  const cache = mesh.connect();
  const users = cache.namespace("users", { codec: json<unknown>(), ttlMs: 10_000 });
  await mesh.settle();
  return { mesh, cache, users };
}

describe("C3: a long value", () => {
  it("of 150,000 numbers is loaded once and kept", async () => {
    const { mesh, cache, users } = await start();
    const numbers = Array.from({ length: 150_000 }, (_, at) => at % 10);
    let loads = 0;
    const load = () => {
      loads += 1;
      return numbers;
    };
    const all = await mesh.run(Promise.all([users.getOrLoad("k", load), users.getOrLoad("k", load)]));
    expect(all[0]).toEqual(numbers);
    expect(all[1]).toBe(all[0]);
    expect(await mesh.run(users.getOrLoad("k", load))).toBe(all[0]);
    expect(await mesh.run(users.get("k", { maxStalenessMs: 0 }))).toMatchObject({ kind: "hit" });
    expect(loads).toBe(1);
    expect(cache.stats().loads.loadsUnkept).toBe(0);
    expect(cache.stats().near.entries).toBe(1);
  });

  it("of 100,000 objects and as many fields is set, and read frozen", async () => {
    const { mesh, users } = await start();
    const fields = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`f${at}`, { at }]));
    const list = Array.from({ length: 40_000 }, () => ({}));
    await mesh.run(users.set("k", { fields, list }));
    const outcome = await mesh.run(users.get("k"));
    expect(outcome.kind === "hit" && isDeepFrozen(outcome.value)).toBe(true);
  });
});

describe("C3: a deep value", () => {
  it("is frozen at any depth", () => {
    const deep = nested(500_000);
    expect(deepFreeze(deep)).toBe(true);
    expect(isDeepFrozen(deep)).toBe(true);
    expect(freezeIfPlain(nested(500_000))).toBe(true);
  });

  it("is kept, or given as it is: never an error", async () => {
    vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const { mesh, cache, users } = await start();
    for (const depth of [1_000, 200_000]) {
      let given: unknown = await mesh.run(users.getOrLoad(`${depth}`, () => nested(depth)));
      let found = 0;
      while (Array.isArray(given)) {
        given = given[0];
        found += 1;
      }
      expect(found).toBe(depth);
    }
    expect(cache.stats().loads).toMatchObject({ loads: 2, loadFailures: 0 });
    expect(await mesh.run(users.get("1000"))).toMatchObject({ kind: "hit" });
  });
});

class SilentCall extends Call {
  protected override currentCoverage = () => 0;
  protected override answered(): void {}
  protected override failed(): void {}
  protected override late(): void {}
}

describe("C3: a long window of calls", () => {
  it.each([true, false])("is sent, and sent again, in proportion to its length: alone %s", (alone) => {
    const queue = new CallQueue({ inFlightMaxOperations: 2 ** 20, inFlightMaxBytes: 2 ** 40 });
    const operation = getOperation("k", false);
    const calls = Array.from(
      { length: 500_000 },
      () => new SilentCall(new CallPlan("n", operation, 100, 0, "anyEpoch", alone, true, false)),
    );
    expect(calls.find((call) => queue.admit(call) !== undefined)).toBeUndefined();
    const first = queue.take("working", true) ?? [];
    queue.putBack(first);
    const sent: Call[] = [];
    for (let batch = queue.take("working", true); batch !== undefined; batch = queue.take("working", true)) {
      for (const call of batch) sent.push(call);
    }
    expect(sent.length).toBe(calls.length);
    expect(sent.every((call, at) => call === calls[at])).toBe(true);
    expect(queue.waiting).toBe(false);
  });
});

describe("C3: a signal of very many calls", () => {
  it("is listened to in proportion to their number, and no longer than they wait", () => {
    const controller = new AbortController();
    let ended = 0;
    const end = () => {
      ended += 1;
    };
    const stops = Array.from({ length: 200_000 }, () => onAbort(controller.signal, () => end()));
    for (const stop of stops.slice(1)) stop();
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
    stops[0]?.();
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
    for (const stop of stops) stop();
    for (let at = 0; at < 200_000; at += 1) onAbort(controller.signal, () => end());
    controller.abort();
    expect(ended).toBe(200_000);
  });

  it("tells all who wait, although one of them stops another", () => {
    const controller = new AbortController();
    const order: string[] = [];
    const stop = onAbort(controller.signal, () => order.push("stopped"));
    onAbort(controller.signal, () => {
      order.push("first");
      stop();
    });
    onAbort(controller.signal, () => order.push("last"));
    controller.abort();
    expect(order).toEqual(["stopped", "first", "last"]);
  });
});

describe("C3: a long queue of invalidations", () => {
  it("goes before all other calls in its order, in proportion to its length", () => {
    const queue = new CallQueue({ inFlightMaxOperations: 2 ** 20, inFlightMaxBytes: 2 ** 40 });
    const operation = getOperation("k", false);
    const call = () => new SilentCall(new CallPlan("n", operation, 100, 0, "byOwner", false, true, false));
    const other = call();
    expect(queue.admit(other)).toBeUndefined();
    const calls = Array.from({ length: 300_000 }, call);
    for (const one of calls) queue.admitBeyond(one, true);
    queue.putBack([other]);
    const sent: Call[] = [];
    for (let batch = queue.take("working", true); batch !== undefined; batch = queue.take("working", true)) {
      for (const one of batch) sent.push(one);
    }
    expect(sent.length).toBe(calls.length + 2);
    expect(calls.every((one, at) => one === sent[at])).toBe(true);
    expect(queue.waiting).toBe(false);
  });

  it("becomes one clear for all who wait, in proportion to their number", async () => {
    let overflows = 0;
    const backlog = new InvalidationBacklog({ maxNames: 10, maxBytes: 2 ** 40 }, () => {
      overflows += 1;
    });
    const waiting = Array.from({ length: 100_000 }, (_, at) => {
      const name = new QueuedName("key", `k${at}`, at % 2 === 0, 0n);
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      new Acknowledgement([name], resolve, reject);
      backlog.add("n", [name]);
      return promise;
    });
    expect([backlog.size, overflows]).toEqual([1, 1]);
    for (const { names } of backlog.take()) for (const name of names) name.acknowledged();
    expect((await Promise.all(waiting)).length).toBe(100_000);
  });

  it("has one clear for each of very many namespaces, in proportion to their number", () => {
    const backlog = new InvalidationBacklog({ maxNames: 10, maxBytes: 2 ** 40 }, () => undefined);
    for (let at = 0; at < 100_000; at += 1) {
      backlog.add(`n${at}`, [new QueuedName("key", "k", false, 0n), new QueuedName("key", "l", false, 0n)]);
    }
    expect(backlog.size).toBe(100_000);
  });
});

describe("C3: a long queue of events", () => {
  it("is read in proportion to its length", async () => {
    const queue = new EventQueue("users", [], 2 ** 20, {
      shards: () => 1,
      closed: () => undefined,
      overran: () => undefined,
    });
    const event = {
      $typeName: "meshcache.v1.Event",
      kind: Event_Kind.SET,
      origin: "",
      traceparent: "",
    } as never;
    for (let revision = 1; revision <= 500_000; revision += 1) {
      queue.onEvent({ namespace: "users", target: "key", name: "k", shard: 0, revision } as never, event);
    }
    const events = queue[Symbol.asyncIterator]();
    for (let revision = 1; revision <= 500_000; revision += 1) {
      const { value } = await events.next();
      if (value?.kind !== "set" || value.revision !== revision) throw new Error(`not ${revision}`);
    }
    queue.close();
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });
});

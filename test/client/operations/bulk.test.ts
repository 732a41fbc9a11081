/** C8: bulk calls of any length respect the window by themselves, and leave room to others. */
import { describe, expect, it } from "vitest";
import { bytes, CacheError, type ClientOptions, json } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";
import {
  createScriptedClient,
  hit,
  invalidated,
  miss,
  NAMESPACE,
  stored,
} from "../../support/scripted-client.ts";
import type { Reply } from "../../support/scripted-server.ts";

const MIB = 2 ** 20;

async function start(options: Partial<ClientOptions> = {}) {
  const mesh = new Mesh({ budgetBytes: 1_024 * MIB });
  const cache = mesh.connect({ nearCache: false, ...options });
  const users = cache.namespace("users", { codec: json<number>() });
  await mesh.settle();
  return { mesh, cache, users };
}

/** A client whose server the test is, and which is connected. */
async function script(options: Partial<ClientOptions> = {}) {
  const client = createScriptedClient({ nearCache: false, ...options });
  const users = client.cache.namespace(NAMESPACE, { codec: json<string>() });
  const first = users.get("connects");
  await client.settle();
  client.server.link.answerAlways();
  await client.settle();
  client.server.link.takeBatch().answer(miss({ revision: 1 }));
  await first;
  const takeAll = () => {
    const batches = [];
    while (client.server.link.batchesWaiting > 0) batches.push(client.server.link.takeBatch());
    return batches;
  };
  return { ...client, users, takeAll };
}

const keysUpTo = (count: number) => Array.from({ length: count }, (_, at) => `key:${at}`);
const valuesUpTo = (count: number) => keysUpTo(count).map((key, at) => [key, at] as const);
const reasonOf = (call: Promise<unknown>) =>
  call.then(
    () => "resolved",
    (error) => (error instanceof CacheError ? error.reason : String(error)),
  );

describe("C8: a bulk call longer than the window", () => {
  it("getMany() of 20,000 keys answers all of them, in their order", async () => {
    const { mesh, users } = await start();
    await mesh.run(users.setMany(valuesUpTo(20_000)));
    const outcomes = await mesh.run(users.getMany(keysUpTo(20_000)));
    expect(outcomes.map((one) => one.kind === "hit" && one.value)).toEqual(
      valuesUpTo(20_000).map(([, at]) => at),
    );
  });

  it.each([1, 2, 15, 100])("works in a window of %s operations, and stays within it", async (most) => {
    const { mesh, cache, users } = await start({ inFlightMaxOperations: most });
    const setting = users.setMany(valuesUpTo(500));
    await mesh.run(setting);
    expect((await mesh.run(users.getMany(keysUpTo(500)))).every(({ kind }) => kind === "hit")).toBe(true);
    expect(await mesh.run(users.invalidate({ keys: keysUpTo(5_000) }))).toEqual({ removed: 500 });
    expect(cache.stats().connection.inFlight).toBe(0);
  });

  it("setMany() of more bytes than the window takes stores all", async () => {
    const { mesh, cache } = await start({ inFlightMaxBytes: 2 * MIB });
    const blobs = cache.namespace("blobs", { codec: bytes() });
    const value = new Uint8Array(900_000);
    const stored = await mesh.run(blobs.setMany(keysUpTo(20).map((key) => [key, value])));
    expect(stored.every(({ kind }) => kind === "stored")).toBe(true);
    expect(mesh.store.counters.sets).toBe(20);
  });

  it.each([{ keys: keysUpTo(100_000) }, { tags: keysUpTo(30_000) }])(
    "invalidate() of many names removes all",
    async (target) => {
      const { mesh, users } = await start({ inFlightMaxOperations: 3 });
      await mesh.run(users.set("key:29999", 1, { tags: ["key:29998"] }));
      expect(await mesh.run(users.invalidate(target))).toMatchObject({});
      expect(await mesh.run(users.get("key:29999"))).toEqual({ kind: "miss" });
    },
  );

  it("getOrLoadMany() asks for leases and stores within the window, and runs its loader once for each 1,000", async () => {
    const { mesh, cache, users } = await start({ inFlightMaxOperations: 64 });
    const asked: number[] = [];
    const values = await mesh.run(
      users.getOrLoadMany(keysUpTo(2_500), (missing) => {
        asked.push(missing.length);
        return new Map(missing.map((key) => [key, Number(key.slice(4))]));
      }),
    );
    expect(values).toEqual(valuesUpTo(2_500).map(([, at]) => at));
    expect(asked).toEqual([1_000, 1_000, 500]);
    expect(cache.stats().loads.loadsUnkept).toBe(0);
    expect(mesh.store.counters.sets).toBe(2_500);
  });

  it("sends its calls in order, however the window cuts them", async () => {
    const { users, takeAll, settle } = await script({ inFlightMaxOperations: 64 });
    const reading = users.getMany(keysUpTo(300));
    await settle();
    const asked: string[] = [];
    for (let batches = takeAll(); batches.length > 0; batches = takeAll()) {
      for (const { operations, answer } of batches) {
        for (const { operation } of operations) if (operation.case === "get") asked.push(operation.value.key);
        answer(...operations.map(() => miss({ revision: 1 })));
      }
      await settle();
    }
    expect(asked).toEqual(keysUpTo(300));
    expect((await reading).length).toBe(300);
  });
});

describe("C8: calls beside a bulk call", () => {
  it("an invalidation has room when single calls have filled the window", async () => {
    const { users, takeAll, settle } = await script({ inFlightMaxOperations: 64 });
    const reads = keysUpTo(64).map((key) => reasonOf(users.get(key)));
    const invalidating = users.invalidate({ keys: ["a"] });
    await settle();
    // 60 of 64 are for other calls, and the last four are not.
    expect((await Promise.all(reads.slice(60))).sort()).toEqual(Array(4).fill("LIMIT_EXCEEDED"));
    for (const { operations, answer } of takeAll()) {
      const isInvalidation = operations.map(({ operation }) => operation.case === "invalidate");
      answer(
        ...isInvalidation.map((is): Reply => (is ? invalidated({ revision: 2 }) : miss({ revision: 1 }))),
      );
    }
    expect(await invalidating).toEqual({ removed: 1 });
  });

  it("an invalidation has room when Sets have filled the bytes of the window", async () => {
    const { users, takeAll, settle } = await script({ inFlightMaxBytes: 2 * MIB });
    const sets = keysUpTo(3).map((key) => reasonOf(users.set(key, "x".repeat(980_000))));
    const refused = reasonOf(users.set("small", "x".repeat(50_000)));
    const invalidating = users.invalidate({ keys: keysUpTo(1_000) });
    await settle();
    expect(await Promise.all([sets[2], refused])).toEqual(["LIMIT_EXCEEDED", "LIMIT_EXCEEDED"]);
    for (const { operations, answer } of takeAll()) {
      const isSet = operations.map(({ operation }) => operation.case === "set");
      answer(...isSet.map((is): Reply => (is ? stored({ revision: 1 }) : invalidated({ revision: 2 }))));
    }
    expect(await invalidating).toEqual({ removed: 1 });
  });

  it("an invalidation and a read are sent behind a part of the bulk call, not behind all of it", async () => {
    const { users, takeAll, settle } = await script();
    const bulk = users.getMany(keysUpTo(20_000));
    await settle();
    const invalidating = users.invalidate({ tags: ["t"] });
    const reading = users.get("other");
    await settle();
    let before = 0;
    let behind: number | undefined;
    for (let batches = takeAll(); behind === undefined && batches.length > 0; batches = takeAll()) {
      for (const { operations, answer } of batches) {
        const replies = operations.map(({ operation }): Reply => {
          if (operation.case === "invalidate") behind = before;
          before += 1;
          return operation.case === "invalidate" ? invalidated({ revision: 2 }) : miss({ revision: 1 });
        });
        answer(...replies);
      }
      await settle();
    }
    expect(behind).toBeLessThanOrEqual(1_024);
    expect(await invalidating).toEqual({ removed: 1 });
    expect(await reading).toEqual({ kind: "miss" });
    expect(await Promise.race([bulk.then(() => "all"), Promise.resolve("some")])).toBe("some");
    bulk.catch(() => undefined);
  });

  it("few large answers are under way at once", async () => {
    const { users, takeAll, settle } = await script();
    const value = "x".repeat(MIB - 2);
    const reading = users.getMany(keysUpTo(160));
    await settle();
    const sizes: number[] = [];
    for (let batches = takeAll(); batches.length > 0; batches = takeAll()) {
      sizes.push(batches.reduce((total, { operations }) => total + operations.length, 0));
      for (const { operations, answer } of batches) {
        answer(...operations.map(() => hit(value, { revision: 1 })));
      }
      await settle();
    }
    expect(sizes[0]).toBe(128);
    expect(Math.max(...sizes.slice(1))).toBeLessThanOrEqual(4);
    expect((await reading).length).toBe(160);
  });
});

describe("C8: a bulk call that ends early", () => {
  it("rejects at its deadline, and sends nothing more", async () => {
    const { users, clock, takeAll, settle, cache } = await script();
    const reading = reasonOf(users.getMany(keysUpTo(5_000), { deadlineMs: 500 }));
    await settle();
    const sent = takeAll().flatMap(({ operations }) => operations).length;
    expect(sent).toBeLessThan(5_000);
    clock.advance(500);
    expect(await reading).toBe("DEADLINE");
    await settle();
    expect(takeAll()).toEqual([]);
    expect(cache.stats().connection.inFlight).toBe(sent);
  });

  it("has one deadline from its beginning, not one for each part", async () => {
    const { users, clock, takeAll, settle } = await script();
    const reading = reasonOf(users.getMany(keysUpTo(50_000), { deadlineMs: 500 }));
    await settle();
    for (let passed = 0; passed < 500; passed += 50) {
      clock.advance(50);
      for (const { operations, answer } of takeAll()) answer(...operations.map(() => miss({ revision: 1 })));
      await settle();
    }
    expect(await reading).toBe("DEADLINE");
  });

  it("rejects when its signal is aborted, and sends nothing more", async () => {
    const { users, takeAll, settle } = await script();
    const aborting = new AbortController();
    const setting = reasonOf(
      users.setMany(
        keysUpTo(5_000).map((key) => [key, "v"] as const),
        { signal: aborting.signal },
      ),
    );
    await settle();
    takeAll();
    aborting.abort();
    expect(await setting).toBe("CANCELLED");
    await settle();
    expect(takeAll()).toEqual([]);
  });

  it("fails at once when no server can be reached any more, and when the client is closed", async () => {
    const { mesh, cache, users } = await start({ deadlineMs: 600_000 });
    await mesh.run(users.get("connects"));
    mesh.link.hold();
    const reading = reasonOf(users.getMany(keysUpTo(5_000)));
    await mesh.settle();
    mesh.down.add("server:1");
    mesh.link.reset();
    await mesh.advance(1_000);
    expect(await reading).toBe("UNAVAILABLE");
    mesh.down.clear();
    await mesh.advance(10_000);
    mesh.link.hold();
    const setting = reasonOf(users.setMany(valuesUpTo(5_000)));
    await mesh.settle();
    const closing = cache.close({ graceMs: 0 });
    await mesh.advance(100);
    await closing;
    expect(await setting).toBe("CLOSED");
    expect(cache.stats().connection.inFlight).toBe(0);
  });

  it("rejects with the first failure, and starts nothing after it", async () => {
    const { users, takeAll, settle } = await script();
    const poison = { toJSON: () => undefined } as unknown as string;
    const pairs = keysUpTo(4_000).map((key, at) => [key, at === 3_000 ? poison : "v"] as const);
    const setting = reasonOf(users.setMany(pairs));
    await settle();
    let sent = 0;
    for (let batches = takeAll(); batches.length > 0; batches = takeAll()) {
      for (const { operations, answer } of batches) {
        sent += operations.length;
        answer(...operations.map(() => stored({ revision: 1 })));
      }
      await settle();
    }
    expect(await setting).toBe("CODEC");
    expect(sent).toBe(3_000);
  });
});

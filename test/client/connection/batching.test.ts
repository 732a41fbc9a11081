/** How calls become messages: each at once while few batches are unanswered, and several together otherwise. */
import { describe, expect, it } from "vitest";
import { json } from "../../../src/index.ts";
import { createScriptedClient, miss, NAMESPACE, stamp, stored } from "../../support/scripted-client.ts";
import type { Reply, ScriptedBatch } from "../../support/scripted-server.ts";

const BUSY_BATCHES = 4;
const codec = json<string>();
const held: Reply = {
  case: "lease",
  value: { asOf: stamp({ revision: 1 }), outcome: { case: "held", value: { retryAfterMs: 10n } } },
};

async function start() {
  const client = createScriptedClient({ nearCache: false });
  const users = client.cache.namespace(NAMESPACE, { codec });
  const read = async (key: string) => {
    // Slower than the rate that small messages are held to.
    client.clock.advance(1);
    users.get(key).catch(() => undefined);
    await client.settle();
  };
  /** Sends batches of one read each, until as many are unanswered as may be. */
  const fill = async (count = BUSY_BATCHES): Promise<ScriptedBatch[]> => {
    const batches: ScriptedBatch[] = [];
    for (let at = 0; at < count; at += 1) {
      await read(`first ${at}`);
      batches.push(client.server.link.takeBatch());
    }
    return batches;
  };
  return { ...client, users, read, fill };
}

const keysOf = ({ operations }: ScriptedBatch) =>
  operations.map(({ operation }) => (operation.case === "get" ? operation.value.key : operation.case));

describe("A connection with many batches unanswered", () => {
  it("sends each call at once until then", async () => {
    const { fill, cache } = await start();
    expect((await fill()).map((batch) => batch.operations.length)).toEqual(Array(BUSY_BATCHES).fill(1));
    expect(cache.stats().connection).toMatchObject({ batches: BUSY_BATCHES, operations: BUSY_BATCHES });
  });

  it("lets calls wait, and sends them as one when any batch is answered", async () => {
    const { server, settle, read, fill } = await start();
    const batches = await fill();
    for (const key of ["a", "b", "c"]) await read(key);
    expect(server.link.batchesWaiting).toBe(0);
    batches[3]?.answer(miss({ revision: 1 }));
    await settle();
    expect(server.link.batchesWaiting).toBe(1);
    expect(keysOf(server.link.takeBatch())).toEqual(["a", "b", "c"]);
  });

  it("sends what an answer makes its caller ask for together with what waited", async () => {
    const { server, settle, users, read, fill } = await start();
    const chained = users.get("first").then(() => users.get("then"));
    chained.catch(() => undefined);
    await settle();
    const first = server.link.takeBatch();
    await fill(BUSY_BATCHES - 1);
    await read("waited");
    first.answer(miss({ revision: 1 }));
    await settle();
    expect(keysOf(server.link.takeBatch())).toEqual(["waited", "then"]);
    expect(server.link.batchesWaiting).toBe(0);
  });

  it("does not hold back calls that fill a message", async () => {
    const { server, settle, users, fill } = await start();
    await fill();
    for (let at = 0; at < 1_500; at += 1) users.get(`${at}`).catch(() => undefined);
    await settle();
    let sent = 0;
    while (server.link.batchesWaiting > 0) sent += server.link.takeBatch().operations.length;
    expect(sent).toBeGreaterThan(1_024);
    expect(sent).toBeLessThan(1_500);
    const value = "x".repeat(900_000);
    for (const key of ["a", "b", "c"]) users.set(key, value).catch(() => undefined);
    await settle();
    expect(server.link.batchesWaiting).toBeGreaterThan(0);
  });

  it("sends the calls of one turn in two messages when nothing is under way, so that both sides are at work", async () => {
    const { server, settle, users, read } = await start();
    await read("connects");
    const first = server.link.takeBatch();
    first.answer(miss({ revision: 1 }));
    await settle();
    for (let at = 0; at < 64; at += 1) users.get(`${at}`).catch(() => undefined);
    await settle();
    const batches = [server.link.takeBatch(), server.link.takeBatch()];
    expect(batches.map(({ operations }) => operations.length)).toEqual([32, 32]);
    expect(batches.flatMap(keysOf)).toEqual(Array.from({ length: 64 }, (_, at) => `${at}`));
    expect(server.link.batchesWaiting).toBe(0);
    for (const batch of batches) batch.answer(...Array<Reply>(32).fill(miss({ revision: 1 })));
    await settle();
  });

  it.each([
    ["gets", 16, [16]],
    ["gets", 31, [31]],
    ["gets", 33, [17, 16]],
    ["sets of 3 KB", 8, [8]],
    ["sets of 10 KB", 5, [3, 2]],
  ])("sends %s, %i of them, in parts that are worth a message each", async (what, count, parts) => {
    const { server, settle, users, read } = await start();
    await read("connects");
    server.link.takeBatch().answer(miss({ revision: 1 }));
    await settle();
    const value = "x".repeat(what === "sets of 3 KB" ? 3_000 : 10_000);
    for (let at = 0; at < count; at += 1) {
      const call = what === "gets" ? users.get(`${at}`) : users.set(`${at}`, value);
      call.catch(() => undefined);
    }
    await settle();
    expect(parts.map(() => server.link.takeBatch().operations.length)).toEqual(parts);
    expect(server.link.batchesWaiting).toBe(0);
  });

  it("sends a burst of small messages, and then no more than their rate allows", async () => {
    const { server, clock, settle, users, read } = await start();
    await read("connects");
    const sent = [server.link.takeBatch()];
    const at = async (key: string) => {
      users.get(key).catch(() => undefined);
      await settle();
    };
    for (const key of ["1", "2", "3"]) {
      await at(key);
      sent.push(server.link.takeBatch());
    }
    sent[3]?.answer(miss({ revision: 1 }));
    await settle();
    await at("a");
    expect(server.link.batchesWaiting).toBe(0);
    clock.advance(1);
    await at("b");
    expect(keysOf(server.link.takeBatch())).toEqual(["a", "b"]);
  });

  it("still holds small messages to their rate after large ones", async () => {
    const { server, settle, users, fill } = await start();
    await fill(1);
    for (let at = 0; at < 2; at += 1) {
      users.set(`${at}`, "x".repeat(16_384)).catch(() => undefined);
      await settle();
      const batch = server.link.takeBatch();
      batch.answer(stored({ revision: 1 }));
      await settle();
    }
    for (let at = 0; at < 4; at += 1) {
      users.get(`${at}`).catch(() => undefined);
      await settle();
    }
    // One was sent before them, and a burst of four is allowed.
    expect(server.link.batchesWaiting).toBe(3);
  });

  it("holds back no call that may wait for a lease", async () => {
    const { server, settle, users, read } = await start();
    await read("connects");
    for (const call of [
      () => users.getOrLoad("held", () => "loaded"),
      () => users.get("1"),
      () => users.get("2"),
    ]) {
      call().catch(() => undefined);
      await settle();
    }
    const [connects, lease, first] = Array.from({ length: 4 }, () => server.link.takeBatch());
    connects?.answer(miss({ revision: 1 }));
    first?.answer(miss({ revision: 1 }));
    await settle();
    users.get("waits for its pace").catch(() => undefined);
    await settle();
    expect(server.link.batchesWaiting).toBe(0);
    lease?.answer(held);
    await settle();
    expect(keysOf(server.link.takeBatch())).toEqual(["lease"]);
    expect(server.link.batchesWaiting).toBe(0);
  });

  it("holds neither a lone call nor a full message to that rate", async () => {
    const { server, settle, users, read } = await start();
    await read("connects");
    const answer = async () => {
      const batch = server.link.takeBatch();
      batch.answer(...batch.operations.map(() => miss({ revision: 1 })));
      await settle();
      return batch.operations.length;
    };
    await answer();
    for (let at = 0; at < 20; at += 1) {
      users.get(`${at}`).catch(() => undefined);
      await settle();
      expect(await answer()).toBe(1);
    }
    users.get("under way").catch(() => undefined);
    await settle();
    for (let at = 0; at < 16; at += 1) users.get(`${at}`).catch(() => undefined);
    await settle();
    expect(server.link.batchesWaiting).toBe(2);
    users.set("large", "x".repeat(16_384)).catch(() => undefined);
    await settle();
    expect(server.link.batchesWaiting).toBe(3);
  });

  it("waits for the last part of an answer", async () => {
    const { server, settle, read, fill } = await start();
    const batches = await fill();
    await read("a");
    batches[0]?.answerPart();
    await settle();
    expect(server.link.batchesWaiting).toBe(0);
    batches[0]?.answer(miss({ revision: 1 }));
    await settle();
    expect(server.link.batchesWaiting).toBe(1);
  });

  it("sends what waits when a batch is refused as a whole", async () => {
    const { server, settle, read, fill } = await start();
    await fill();
    await read("a");
    const refused = server.link.requests.find(({ frame }) => frame.case === "batch");
    server.link.send({ case: "error", value: { code: 3, message: "no" } }, refused?.id);
    await settle();
    expect(keysOf(server.link.takeBatch())).toEqual(["a"]);
  });

  it("begins anew on the next stream", async () => {
    const { server, clock, settle, read, fill } = await start();
    await fill();
    await read("a");
    server.link.reset();
    clock.advance(500);
    await settle();
    expect(server.link.takeBatch().operations.length).toBe(BUSY_BATCHES + 1);
  });

  it("neither counts nor holds back batches that wait for leases", async () => {
    const { server, clock, settle, users, read, fill } = await start();
    for (let at = 0; at < BUSY_BATCHES; at += 1) {
      users.getOrLoad(`load ${at}`, () => "loaded").catch(() => undefined);
    }
    await settle();
    server.link.takeBatch().answer(...Array<Reply>(BUSY_BATCHES).fill(held));
    await settle();
    const leases = Array.from({ length: BUSY_BATCHES }, () => server.link.takeBatch());
    expect(leases.map(keysOf)).toEqual(leases.map(() => ["lease"]));
    await fill();
    await read("a");
    expect(server.link.batchesWaiting).toBe(0);
    // Its answer makes no room for others: a batch that waits for a lease does not count.
    leases[0]?.answer(held);
    await settle();
    expect(server.link.batchesWaiting).toBe(0);
    clock.advance(10);
    await settle();
    expect(keysOf(server.link.takeBatch())).toEqual(["lease"]);
    expect(server.link.batchesWaiting).toBe(0);
  });

  it("still sends pings", async () => {
    const { server, clock, settle, fill } = await start();
    await fill();
    server.link.takePings();
    clock.advance(1_000);
    await settle();
    expect(server.link.takePings().length).toBe(1);
  });

  it("sends what waits when the client is closed", async () => {
    const { server, settle, cache, users, fill } = await start();
    const batches = await fill();
    const write = users.set("k", "v");
    await settle();
    const closing = cache.close();
    for (const batch of batches) batch.answer(miss({ revision: 1 }));
    await settle();
    server.link.takeBatch().answer(stored({ revision: 2 }));
    expect((await write).kind).toBe("stored");
    await closing;
  });
});

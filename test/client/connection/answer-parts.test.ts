/** Answers that come in several frames: each call is settled with its own result, and only calls without one are sent again. */
import { describe, expect, it } from "vitest";
import { json } from "../../../src/index.ts";
import { createScriptedClient, hit, keyEvent, miss, NAMESPACE } from "../../support/scripted-client.ts";

const codec = json<string>();

async function readThree(nearCache: boolean) {
  const client = createScriptedClient(nearCache ? {} : { nearCache: false });
  const users = client.cache.namespace(NAMESPACE, { codec });
  await client.settle();
  const reads = ["a", "b", "c"].map((key) => users.get(key));
  for (const read of reads) read.catch(() => undefined);
  await client.settle();
  const batch = client.server.link.takeBatch();
  return { ...client, users, reads, batch };
}

describe("An answer in parts", () => {
  it("settles the calls of each part when it arrives, in their order", async () => {
    const { cache, reads, batch } = await readThree(false);
    batch.answerPart(hit("va", { revision: 1 }));
    expect(await reads[0]).toEqual({ kind: "hit", value: "va" });
    expect(cache.stats().connection.inFlight).toBe(2);
    batch.answerPart(hit("vb", { revision: 1 }));
    expect(await reads[1]).toEqual({ kind: "hit", value: "vb" });
    batch.answer(miss({ revision: 1 }));
    expect(await reads[2]).toMatchObject({ kind: "miss" });
    expect(cache.stats().connection.inFlight).toBe(0);
  });

  it("is joined by its id when other answers come in between", async () => {
    const { server, settle, users, reads, batch } = await readThree(false);
    const other = users.get("d");
    await settle();
    batch.answerPart(hit("va", { revision: 1 }));
    server.link.takeBatch().answer(hit("vd", { revision: 1 }));
    batch.answer(hit("vb", { revision: 1 }), hit("vc", { revision: 1 }));
    const values = await Promise.all([...reads, other]);
    expect(values.map((one) => one.kind === "hit" && one.value)).toEqual(["va", "vb", "vc", "vd"]);
  });

  it("is cut short by the end of its stream: only the calls without a result are sent again", async () => {
    const { server, clock, settle, reads, batch } = await readThree(false);
    batch.answerPart(hit("va", { revision: 1 }));
    server.link.reset();
    clock.advance(500);
    await settle();
    const again = server.link.takeBatch();
    expect(again.operations.map(({ operation }) => operation.case === "get" && operation.value.key)).toEqual([
      "b",
      "c",
    ]);
    again.answer(hit("vb", { revision: 1 }), hit("vc", { revision: 1 }));
    const values = await Promise.all(reads);
    expect(values.map((one) => one.kind === "hit" && one.value)).toEqual(["va", "vb", "vc"]);
  });

  it("breaks the contract when it ends too early: the calls that it leaves out fail", async () => {
    const { reads, batch } = await readThree(false);
    batch.answerPart(hit("va", { revision: 1 }));
    batch.answer(hit("vb", { revision: 1 }));
    expect(await reads[1]).toEqual({ kind: "hit", value: "vb" });
    await expect(reads[2]).rejects.toMatchObject({ reason: "INTERNAL" });
  });

  it("with an event between its parts: the value that the event is about is returned and not kept", async () => {
    const { server, settle, users, reads, batch } = await readThree(true);
    batch.answerPart(hit("va", { revision: 5 }));
    server.link.event(keyEvent("b", { revision: 6 }));
    batch.answer(hit("vb", { revision: 5 }), hit("vc", { revision: 5 }));
    const values = await Promise.all(reads);
    expect(values.map((one) => one.kind === "hit" && one.value)).toEqual(["va", "vb", "vc"]);
    for (const key of ["a", "b", "c"]) users.get(key).catch(() => undefined);
    await settle();
    const { operations } = server.link.takeBatch();
    expect(operations.map(({ operation }) => operation.case === "get" && operation.value.key)).toEqual(["b"]);
  });

  it("delays the answer to a ping, and the stream is not silent as long as parts come", async () => {
    const { server, clock, settle, batch } = await readThree(true);
    const { link } = server;
    link.stopAnswering();
    for (let second = 0; second < 30; second += 1) {
      clock.advance(1_000);
      batch.answerPart();
      await settle();
    }
    expect(link.closedByClient).toBe(false);
    clock.advance(10_000);
    await settle();
    expect(link.closedByClient).toBe(true);
  });
});

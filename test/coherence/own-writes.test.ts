/**
 * A process always reads its own writes, including a write without an answer, which may or may not have taken
 * effect.
 */
import { describe, expect, it } from "vitest";
import { json } from "../../src/index.ts";
import { createScriptedClient, hit, NAMESPACE } from "../support/scripted-client.ts";

describe("An own write", () => {
  it("without an answer removes the entry of its key, also one that was read during the write", async () => {
    const mesh = createScriptedClient();
    const users = mesh.cache.namespace(NAMESPACE, { codec: json<string>() });
    await mesh.settle();
    const { link } = mesh.server;

    const read = users.get("k");
    await mesh.settle();
    const older = link.takeBatch();
    const write = users.set("k", "mine", { deadlineMs: 100 }).catch((error) => error.reason);
    await mesh.settle();
    link.takeBatch();
    older.answer(hit("v1", { revision: 5 }));
    await read;
    // Until its deadline the write is under way, so the read may have come before it.
    expect(mesh.cache.stats().near.entries).toBe(1);

    mesh.clock.advance(100);
    expect(await write).toBe("DEADLINE");
    void users.get("k").catch(() => undefined);
    await mesh.settle();
    expect(link.batchesWaiting).toBe(1);
  });

  it("without an answer prevents the fill from a read that was sent before it and is answered after it", async () => {
    const mesh = createScriptedClient();
    const users = mesh.cache.namespace(NAMESPACE, { codec: json<string>() });
    await mesh.settle();
    const { link } = mesh.server;

    const read = users.get("k");
    await mesh.settle();
    const older = link.takeBatch();
    const write = users.set("k", "mine", { deadlineMs: 100 }).catch((error) => error.reason);
    await mesh.settle();
    link.takeBatch();
    mesh.clock.advance(100);
    expect(await write).toBe("DEADLINE");
    // The server applied the write after this read, and its event comes next.
    older.answer(hit("v1", { revision: 5 }));
    expect(await read).toEqual({ kind: "hit", value: "v1" });
    expect(mesh.cache.stats().near.entries).toBe(0);
  });
});

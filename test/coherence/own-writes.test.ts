/** A process always reads its own writes: also those of which nobody can say whether they took effect. */
import { describe, expect, it } from "vitest";
import { json } from "../../src/index.ts";
import { createScriptedClient, hit, NAMESPACE } from "../support/scripted-client.ts";

describe("An own write", () => {
  it("that nobody answered leaves nothing of its key, not even what was read beside it", async () => {
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
    // Until the deadline the write is under way, and the read may count as the earlier of the two.
    expect(mesh.cache.stats().near.entries).toBe(1);

    mesh.clock.advance(100);
    expect(await write).toBe("DEADLINE");
    void users.get("k").catch(() => undefined);
    await mesh.settle();
    expect(link.batchesWaiting).toBe(1);
  });

  it("that nobody answered keeps out what was asked for before it and is answered after it", async () => {
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
    // The server took the write after this read, and its event is right behind.
    older.answer(hit("v1", { revision: 5 }));
    expect(await read).toEqual({ kind: "hit", value: "v1" });
    expect(mesh.cache.stats().near.entries).toBe(0);
  });
});

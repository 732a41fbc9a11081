/** `keys()`: all pages of a namespace, one by one. */
import { describe, expect, it } from "vitest";
import { type KeyFacts, text } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

async function start() {
  const mesh = new Mesh({ shards: 3 });
  const users = mesh.connect().namespace("users", { codec: text() });
  for (let index = 0; index < 25; index += 1) mesh.write("users", `user:${index}`, "x");
  mesh.write("users", "other", "x");
  mesh.write("orders", "user:99", "x");
  await mesh.settle();
  const all = async (options?: Parameters<typeof users.keys>[0]) => {
    const found: KeyFacts[] = [];
    const keys = users.keys(options);
    for (;;) {
      const { done, value } = await mesh.run(keys.next());
      if (done || value === undefined) return found;
      found.push(value);
    }
  };
  return { mesh, users, all };
}

describe("Namespace.keys()", () => {
  it("gives every key of the namespace, in pages of any size", async () => {
    const { all } = await start();
    for (const pageKeys of [1, 4, 1_000]) {
      const found = await all({ prefix: "user:", pageKeys });
      expect(new Set(found.map(({ key }) => key)).size).toBe(25);
    }
    expect(await all({ prefix: "none" })).toEqual([]);
    expect((await all()).map(({ key }) => key)).toContain("other");
  });

  it("says the version, the size and the lifetime", async () => {
    const { mesh, users, all } = await start();
    const set = await mesh.run(users.set("timed", "12345", { ttlMs: "10s" }));
    await mesh.advance(4_000);
    expect(await all({ prefix: "timed" })).toEqual([
      {
        key: "timed",
        version: set.kind === "stored" ? set.version : undefined,
        valueBytes: 5,
        ttlRemainingMs: 6_000,
        stale: false,
        absent: false,
      },
    ]);
    expect(await all({ prefix: "other" })).toMatchObject([{ ttlRemainingMs: Number.POSITIVE_INFINITY }]);
  });

  it("ends with an error when the server is replaced between two pages, and when it is closed", async () => {
    const { mesh, users } = await start();
    const keys = users.keys({ pageKeys: 1 });
    await mesh.run(keys.next());
    mesh.restart();
    await mesh.advance(500);
    await expect(mesh.run(keys.next())).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      detail: { field: "page_token" },
    });
    const others = users.keys();
    await mesh.run(users.close());
    await expect(mesh.run(others.next())).rejects.toMatchObject({ reason: "CLOSED" });
    expect(() => users.keys()).toThrow("closed");
  });

  it.each([
    ["prefix", { prefix: "" }],
    ["pageKeys", { pageKeys: 0 }],
    ["pageKeys", { pageKeys: 1_001 }],
  ])("refuses a wrong %s at once", async (field, options) => {
    const { users } = await start();
    expect(() => users.keys(options)).toThrow(field);
  });
});

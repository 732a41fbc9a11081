/** `peek` and `peekEntry`: what the near cache may serve, without a promise. */
import { describe, expect, it } from "vitest";
import { bytes, json } from "../../src/index.ts";
import { createTestClock, startTestCache } from "../../src/testing/index.ts";

describe("Namespace.peek()", () => {
  it("is undefined until the server was asked, and then what get() answers", async () => {
    await using mesh = await startTestCache();
    const users = mesh.cache.namespace("users", { codec: json<{ name: string }>() });
    expect(users.peek("1")).toBeUndefined();
    expect(await users.get("1")).toEqual({ kind: "miss" });
    expect(users.peek("1")).toEqual({ kind: "miss" });
    await users.set("1", { name: "Ada" });
    const got = await users.get("1");
    expect(users.peek("1")).toBe(got);
    await users.setAbsent("1");
    await users.get("1");
    expect(users.peek("1")).toEqual({ kind: "absent" });
  });

  it("gives each reader bytes of its own", async () => {
    await using mesh = await startTestCache();
    const blobs = mesh.cache.namespace("blobs", { codec: bytes() });
    await blobs.set("1", Uint8Array.of(1, 2));
    await blobs.get("1");
    const [one, other] = [blobs.peek("1"), blobs.peek("1")];
    expect(one).toEqual({ kind: "hit", value: Uint8Array.of(1, 2) });
    expect(one?.kind === "hit" && other?.kind === "hit" && one.value !== other.value).toBe(true);
  });

  it("is undefined with a maxStalenessMs of 0, and after an invalidation", async () => {
    await using mesh = await startTestCache();
    const users = mesh.cache.namespace("users");
    await users.set("1", 1);
    await users.get("1");
    expect(users.peek("1", { maxStalenessMs: 0 })).toBeUndefined();
    await users.invalidate({ keys: ["1"] });
    expect(users.peek("1")).toBeUndefined();
  });
});

describe("Namespace.peekEntry()", () => {
  it("gives the entry of a near hit, and nothing where the server has to be asked", async () => {
    await using mesh = await startTestCache({ clock: createTestClock() });
    const users = mesh.cache.namespace("users");
    expect(users.peekEntry("1")).toBeUndefined();
    await users.set("1", "Ada");
    await users.get("1");
    const got = await users.entry("1");
    expect(got).toMatchObject({ kind: "hit", value: "Ada", source: "near", stale: false });
    expect(users.peekEntry("1")).toEqual(got);
    await users.invalidate({ keys: ["1"] });
    expect(users.peekEntry("1")).toBeUndefined();
  });
});

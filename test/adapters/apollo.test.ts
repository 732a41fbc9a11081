/** The `KeyValueCache` of Apollo by itself. With Apollo Server: suites/apollo.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createKeyValueCache } from "../../src/adapters/apollo/index.ts";
import { MeshCache, text } from "../../src/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import { eventually } from "../support/eventually.ts";

describe("createKeyValueCache()", () => {
  let mesh: TestCache;
  beforeEach(async () => {
    mesh = await startTestCache();
  });
  afterEach(() => mesh.close());

  it("keeps, finds and deletes for all processes", async () => {
    const [one, other] = [mesh.cache, mesh.connect()].map((cache) => createKeyValueCache({ cache }));
    await one?.set("apq:1", "query");
    expect(await other?.get("apq:1")).toBe("query");
    expect(await other?.get("apq:2")).toBeUndefined();
    expect(await one?.delete("apq:1")).toBe(true);
    expect(await one?.delete("apq:1")).toBe(false);
    await eventually(async () => expect(await other?.get("apq:1")).toBeUndefined());
  });

  it.each([
    [{ ttl: 60 }, 60_000],
    [{ ttl: 0.5 }, 500],
    [{ ttl: 1e12 }, 365 * 86_400_000],
    [{ ttl: 0 }, Number.POSITIVE_INFINITY],
    [{ ttl: null }, Number.POSITIVE_INFINITY],
    [{}, Number.POSITIVE_INFINITY],
    [undefined, Number.POSITIVE_INFINITY],
  ])("takes %j for seconds", async (options, lifetimeMs) => {
    await createKeyValueCache({ cache: mesh.cache }).set("key", "value", options);
    const entries = mesh.cache.namespace("apollo", { codec: text(), undecodable: "miss" });
    const entry = await entries.entry(":key", { maxStalenessMs: 0 });
    const remainingMs = entry.kind === "hit" ? entry.ttlRemainingMs : 0;
    expect(remainingMs).toBeLessThanOrEqual(lifetimeMs);
    expect(remainingMs).toBeGreaterThan(Math.min(lifetimeMs, Number.MAX_VALUE) - 10_000);
  });

  it("removes what is set with a lifetime that has ended", async () => {
    const store = createKeyValueCache({ cache: mesh.cache });
    await store.set("key", "value");
    await store.set("key", "value", { ttl: -1 });
    expect(await store.get("key")).toBeUndefined();
  });

  it("refuses a value that is too large by name", async () => {
    const tooLarge = createKeyValueCache({ cache: mesh.cache }).set("key", "x".repeat(2 ** 20 + 1));
    await expect(tooLarge).rejects.toMatchObject({ reason: "FIELD_INVALID", detail: { field: "value" } });
  });

  it("finds and keeps nothing when no server answers", async () => {
    await using cache = new MeshCache({ address: "127.0.0.1:1", onEvent: () => {}, deadlineMs: 300 });
    const store = createKeyValueCache({ cache });
    expect(await store.get("key")).toBeUndefined();
    await store.set("key", "value");
    expect(await store.delete("key")).toBe(false);
  });
});

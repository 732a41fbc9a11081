/** C7: what is no option is refused with the name that was probably meant. */
import { describe, expect, it } from "vitest";
import { nearestName } from "../../../src/client/api/option-names.ts";
import { json, MeshCache, type Namespace, type NamespaceOptions } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

const untyped = <Typed>(value: unknown): Typed => value as Typed;

async function failure(run: () => unknown): Promise<unknown> {
  try {
    return await run();
  } catch (error) {
    return error;
  }
}

describe("C7: an unknown option", () => {
  it.each<[string, string, (users: Namespace<unknown>, cache: MeshCache) => unknown]>([
    ["ttl", "ttlMs", (users) => users.set("k", 1, untyped({ ttl: 60 }))],
    ["ttl", "ttlMs", (users) => users.setAbsent("k", untyped({ ttl: 60 }))],
    ["ttl", "ttlMs", (users) => users.setMany([["k", 1]], untyped({ ttl: 60 }))],
    ["tag", "tags", (users) => users.set("k", 1, untyped({ tag: "t" }))],
    ["ttl", "ttlMs", (users) => users.touch("k", untyped({ ttl: 60 }))],
    ["ttl", "ttlMs", (users) => users.increment("k", 1, untyped({ ttl: 60 }))],
    ["ttl", "ttlMs", (users) => users.getOrLoad("k", () => 1, untyped({ ttl: 60 }))],
    ["hardTimeout", "hardTimeoutMs", (users) => users.getOrLoad("k", () => 1, untyped({ hardTimeout: 60 }))],
    ["loadr", "loader", (users) => users.entry("k", untyped({ loadr: () => 1 }))],
    ["maxStaleness", "maxStalenessMs", (users) => users.get("k", untyped({ maxStaleness: 1 }))],
    ["deadline", "deadlineMs", (users) => users.getMany(["k"], untyped({ deadline: 1 }))],
    ["Soft", "soft", (users) => users.invalidate({ keys: ["k"] }, untyped({ Soft: true }))],
    ["prefixes", "prefix", (users) => users.keys(untyped({ prefixes: ["k"] })).next()],
    ["prefix", "prefixes", (users) => users.subscribe(untyped({ prefix: ["k"] }))],
    ["grace", "graceMs", (_users, cache) => cache.close(untyped({ grace: 1 }))],
    ["timeoutMs", "", (_users, cache) => cache.sync(untyped({ timeoutMs: 1 }))],
    [
      "ttl",
      "ttlMs",
      (_users, cache) => cache.namespace("n", untyped<NamespaceOptions<unknown>>({ codec: json(), ttl: 60 })),
    ],
    [
      "ttl_ms",
      "ttlMs",
      (_users, cache) =>
        cache.namespace("n", untyped<NamespaceOptions<unknown>>({ codec: json(), ttl_ms: 60 })),
    ],
    [
      "nearCache.maxByte",
      "nearCache.maxBytes",
      (_users, cache) =>
        cache.namespace(
          "n",
          untyped<NamespaceOptions<unknown>>({ codec: json(), nearCache: { maxByte: 1 } }),
        ),
    ],
    ["adress", "address", () => new MeshCache(untyped({ adress: "h:1" }))],
    ["pingInterval", "pingMs", () => new MeshCache(untyped({ address: "h:1", pingInterval: 1 }))],
    [
      "telemetry.span",
      "telemetry.spans",
      () => new MeshCache(untyped({ address: "h:1", telemetry: { span: true } })),
    ],
  ])("is refused: %s, meant as %s", async (field, meant, run) => {
    const mesh = new Mesh();
    const cache = mesh.connect();
    const error = await failure(() => run(cache.namespace("users"), cache));
    expect(error).toMatchObject({ name: "CacheError", reason: "FIELD_INVALID", detail: { field } });
    if (meant !== "")
      expect(error).toMatchObject({ message: `${field} is no option; did you mean ${meant}?` });
    else
      expect(error).toMatchObject({
        message: expect.stringContaining(`${field} is no option; the options are`),
      });
  });

  it("is not repeated in the error when it may be data", async () => {
    const users = new Mesh().connect().namespace("users");
    const error = await failure(() => users.set("k", 1, untyped({ "ann@example.org": 1 })));
    expect(error).toMatchObject({ detail: { field: "a field" } });
    expect(JSON.stringify([error, String(error)])).not.toContain("ann");
  });

  it.each<[string, (cache: MeshCache) => unknown]>([
    ["options", () => new MeshCache(untyped("h:1"))],
    ["options", () => new MeshCache(untyped(undefined))],
    ["codec", (cache) => cache.namespace("n", untyped<NamespaceOptions<unknown>>({ ttlMs: 1 }))],
    ["key", (cache) => cache.namespace("n").get(untyped(1))],
    ["keys", (cache) => cache.namespace("n").invalidate(untyped({ keys: "user:1" }))],
    ["target", (cache) => cache.namespace("n").invalidate(untyped({ key: ["k"] }))],
    ["target", (cache) => cache.namespace("n").invalidate(untyped({ keys: ["k"], soft: true }))],
    ["loader", (cache) => cache.namespace("n").getOrLoad("k", untyped<() => unknown>(1))],
  ])("or a missing or wrong one is named: %s", async (field, run) => {
    const cache = new Mesh().connect();
    expect(await failure(() => run(cache))).toMatchObject({ reason: "FIELD_INVALID", detail: { field } });
  });
});

describe("nearestName()", () => {
  const names = ["ttlMs", "staleMs", "tags", "hardTimeoutMs", "softTimeoutMs", "waitMs"];
  it.each([
    ["ttl", "ttlMs"],
    ["TTL", "ttlMs"],
    ["ttlSeconds", "ttlMs"],
    ["stale", "staleMs"],
    ["tag", "tags"],
    ["tgas", undefined],
    ["tagz", "tags"],
    ["wait_ms", "waitMs"],
    ["hardTimeOut", "hardTimeoutMs"],
    ["timeout", "hardTimeoutMs"],
    ["x", undefined],
    ["refresh", undefined],
    ["t".repeat(10_000), undefined],
  ])("of %s is %s", (given, nearest) => {
    expect(nearestName(given, names)).toBe(nearest);
  });
});

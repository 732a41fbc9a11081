/** C10: one loader for many keys, each under its lease, and values that a loader does not want kept. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { absent, json, type LoadedMany, loaded, type NamespaceOptions } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

async function start(options: Partial<NamespaceOptions<string>> = {}) {
  const mesh = new Mesh();
  const join = () => {
    const cache = mesh.connect();
    return { cache, users: cache.namespace("users", { codec: json<string>(), ttlMs: 10_000, ...options }) };
  };
  const client = join();
  await mesh.settle();
  return { mesh, join, ...client };
}

/** A loader of many keys that remembers what it was asked for. */
function source(answer: (keys: readonly string[]) => LoadedMany<string> | Promise<LoadedMany<string>>) {
  const asked: string[][] = [];
  const load = (missing: readonly string[]) => {
    asked.push([...missing]);
    return answer(missing);
  };
  return { asked, load };
}

const all = (keys: readonly string[]) => new Map(keys.map((key) => [key, `v:${key}`]));

afterEach(() => {
  vi.restoreAllMocks();
});

describe("C10: getOrLoadMany()", () => {
  it("loads what the cache does not have, at once and in the order of the keys", async () => {
    const { mesh, cache, users } = await start();
    await mesh.run(users.set("near", "n"));
    mesh.write("users", "remote", "r");
    const { asked, load } = source((keys) => all([...keys].reverse()));
    const before = cache.stats().connection.batches;
    const keys = ["b", "near", "a", "remote", "b"];
    expect(await mesh.run(users.getOrLoadMany(keys, load))).toEqual(["v:b", "n", "v:a", "r", "v:b"]);
    expect(asked).toEqual([["b", "a"]]);
    // One batch of leases and one of Sets.
    expect(cache.stats().connection.batches - before).toBe(2);
    expect(cache.stats().loads).toMatchObject({ loads: 1, loadsUnkept: 0 });
    expect(await mesh.run(users.getOrLoadMany(keys, load))).toEqual(["v:b", "n", "v:a", "r", "v:b"]);
    expect(asked.length).toBe(1);
    expect(mesh.store.counters.sets).toBe(4);
  });

  it("takes pairs, options and absent records, and remembers what is left out as absent", async () => {
    const { mesh, users } = await start();
    const { asked, load } = source(() => [
      ["a", loaded("v", { tags: ["t"] })],
      ["b", absent()],
      ["c", undefined],
      ["other", "not asked for"],
    ]);
    const keys = ["a", "b", "c", "d"];
    expect(await mesh.run(users.getOrLoadMany(keys, load))).toEqual(["v", undefined, undefined, undefined]);
    expect(await mesh.run(users.getOrLoadMany(keys, load))).toEqual(["v", undefined, undefined, undefined]);
    expect(asked).toEqual([keys]);
    expect(await mesh.run(users.getMany(["b", "d", "other"]))).toEqual([
      { kind: "absent" },
      { kind: "absent" },
      { kind: "miss" },
    ]);
    await mesh.run(users.invalidate({ tags: ["t"] }));
    expect((await mesh.run(users.get("a"))).kind).toBe("miss");
  });

  it.each<[string, unknown]>([
    ["an object", { "1": "v" }],
    ["values alone", ["v"]],
    ["text", "v"],
    ["pairs whose keys are numbers, as of a database", [[1, "v"]]],
    ["a Map whose keys are numbers", new Map([[1, "v"]])],
  ])("fails by name, and remembers nothing as absent, where the loader returns %s", async (_what, found) => {
    const { mesh, users } = await start();
    const load = () => found as never;
    await expect(mesh.run(users.getOrLoadMany(["1"], load))).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      detail: { field: "what the loader returned", bound: expect.stringContaining("which is text") },
    });
    expect(await mesh.run(users.get("1"))).toEqual({ kind: "miss" });
  });

  it("loads no keys for none, and none when it has all", async () => {
    const { mesh, users } = await start();
    const { asked, load } = source(all);
    expect(await mesh.run(users.getOrLoadMany([], load))).toEqual([]);
    await mesh.run(users.set("a", "v"));
    expect(await mesh.run(users.getOrLoadMany(["a"], load))).toEqual(["v"]);
    expect(asked).toEqual([]);
  });

  it("gives a loader at most 1,000 keys at a time", async () => {
    const { mesh, users } = await start();
    const { asked, load } = source(all);
    const keys = Array.from({ length: 2_500 }, (_, at) => `${at}`);
    expect(await mesh.run(users.getOrLoadMany(keys, load))).toEqual(keys.map((key) => `v:${key}`));
    expect(asked.every((one) => one.length <= 1_000)).toBe(true);
    expect(asked.flat()).toEqual(keys);
    expect(asked.length).toBe(3);
  });

  it("shares loads and failures with other callers, key by key", async () => {
    const { mesh, users } = await start();
    const own = Promise.withResolvers<string>();
    const single = users.getOrLoad("a", () => own.promise);
    await mesh.settle();
    const theirs = Promise.withResolvers<LoadedMany<string>>();
    const { asked, load } = source(() => theirs.promise);
    const many = users.getOrLoadMany(["a", "b", "c"], load);
    await mesh.settle();
    expect(asked).toEqual([["b", "c"]]);
    const joined = users.getOrLoad("b", () => "not run");
    const outcomes = Promise.allSettled([single, many, joined]);
    own.resolve("own");
    theirs.reject(new Error("down"));
    const error = expect.objectContaining({ message: "down" });
    expect(await mesh.run(outcomes)).toEqual([
      { status: "fulfilled", value: "own" },
      { status: "rejected", reason: error },
      { status: "rejected", reason: error },
    ]);
    // Each of its keys has its cooldown, and gave its lease back.
    await expect(mesh.run(users.getOrLoad("c", () => "not run"))).rejects.toThrow("down");
    expect(await mesh.run(users.getOrLoad("a", () => "not run"))).toBe("own");
    expect(mesh.store.counters.leasesReleased).toBe(2);
  });

  it("waits for what another process loads, and loads it when that fails", async () => {
    const { mesh, join, users } = await start();
    const other = join().users;
    await mesh.settle();
    const theirs = [Promise.withResolvers<string>(), Promise.withResolvers<string>()] as const;
    const loading = [
      other.getOrLoad("a", () => theirs[0].promise),
      other.getOrLoad("b", () => theirs[1].promise),
    ];
    const ended = Promise.allSettled(loading);
    await mesh.settle();
    const { asked, load } = source(all);
    const many = users.getOrLoadMany(["a", "b", "c"], load);
    await mesh.settle();
    expect(asked).toEqual([["c"]]);
    theirs[0].resolve("theirs");
    theirs[1].reject(new Error("down"));
    await mesh.settle();
    expect(await mesh.run(many)).toEqual(["theirs", "v:b", "v:c"]);
    expect(asked).toEqual([["c"], ["b"]]);
    await ended;
  });

  it("runs once for all keys when no server answers", async () => {
    const { mesh, cache, users } = await start();
    mesh.down.add("server:1");
    mesh.link.reset();
    await mesh.advance(500);
    const { asked, load } = source(all);
    expect(await mesh.run(users.getOrLoadMany(["a", "b"], load))).toEqual(["v:a", "v:b"]);
    expect(asked).toEqual([["a", "b"]]);
    expect(cache.stats().loads.unkeptBy.outage).toBe(2);
  });

  it("serves stale values, and loads others in the background together", async () => {
    const { mesh, users } = await start({ staleMs: 60_000, ttlJitter: 0 });
    await mesh.run(users.getOrLoadMany(["a", "b"], all));
    await mesh.advance(10_000, 1_000);
    const { asked, load } = source((keys) => new Map(keys.map((key) => [key, "new"])));
    expect(await mesh.run(users.getOrLoadMany(["a", "b"], load))).toEqual(["v:a", "v:b"]);
    expect(asked).toEqual([["a", "b"]]);
    expect(await mesh.run(users.getOrLoadMany(["a", "b"], load))).toEqual(["new", "new"]);
  });

  it.each<[string, (users: Awaited<ReturnType<typeof start>>["users"]) => Promise<unknown>]>([
    ["keys", (users) => users.getOrLoadMany("ab" as never, all)],
    ["key", (users) => users.getOrLoadMany(["a", 1 as never], all)],
    ["loadMissing", (users) => users.getOrLoadMany(["a"], undefined as never)],
    ["ttl", (users) => users.getOrLoadMany(["a"], all, { ttl: 60 } as never)],
    ["what the loader returned", (users) => users.getOrLoadMany(["a"], (() => "text") as never)],
    ["what the loader returned", (users) => users.getOrLoadMany(["a"], (() => ({ a: 1 })) as never)],
  ])("refuses arguments of another type: %s", async (field, call) => {
    const { mesh, users } = await start();
    await expect(mesh.run(call(users))).rejects.toMatchObject({ reason: "FIELD_INVALID", detail: { field } });
  });
});

describe("C10: `ttlMs: 0`", () => {
  it.each<[string, () => unknown, object]>([
    ["of a loader", () => loaded("v", { ttlMs: 0 }), {}],
    ["of a loader that found nothing", () => absent({ ttlMs: 0 }), {}],
    ["of the call", () => "v", { ttlMs: 0 }],
  ])("%s means that the value is returned and not kept", async (_what, load, options) => {
    const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const { mesh, cache, users } = await start();
    for (let at = 1; at <= 2; at += 1) {
      await mesh.run(users.getOrLoad("k", load as () => string, options));
      expect(await mesh.run(users.get("k", { maxStalenessMs: 0 }))).toEqual({ kind: "miss" });
      expect(cache.stats().loads).toMatchObject({ loads: at, unkeptBy: { asked: at } });
      expect(mesh.store.counters.leasesReleased).toBe(at);
    }
    expect(warning).not.toHaveBeenCalled();
  });

  it("of the namespace and of a Set means until it is invalidated or evicted", async () => {
    const { mesh, users } = await start({ ttlMs: 0 });
    await mesh.run(users.getOrLoad("loaded", () => "v"));
    await mesh.run(users.set("set", "v", { ttlMs: 0 }));
    for (const key of ["loaded", "set"]) {
      expect(await mesh.run(users.entry(key))).toMatchObject({ ttlRemainingMs: Number.POSITIVE_INFINITY });
    }
  });
});

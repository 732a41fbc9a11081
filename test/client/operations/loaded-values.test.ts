/** What the callers of a load get: the value, whatever becomes of keeping it, in one shape. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  absent,
  bytes,
  type ClientEvent,
  type ClientOptions,
  type Codec,
  json,
  type Loader,
  loaded,
  type NamespaceOptions,
} from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

const untyped = <Typed>(value: unknown): Typed => value as Typed;

async function start(options: Partial<NamespaceOptions<unknown>> = {}) {
  const mesh = new Mesh();
  const cache = mesh.connect();
  const users = cache.namespace("users", { codec: json<unknown>(), ttlMs: 10_000, ...options });
  await mesh.settle();
  return { mesh, cache, users };
}

const silence = () => vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
let warnings: ReturnType<typeof silence>;

beforeEach(() => {
  warnings = silence();
});

afterEach(() => {
  warnings.mockRestore();
});

const cycle: { self?: unknown } = {};
cycle.self = cycle;
const manyTags = Array.from({ length: 17 }, (_, at) => `t${at}`);
const unreadable = {
  get ttlMs(): number {
    throw new Error("of the getter");
  },
};

describe("C4: once a loader has returned, its caller gets the value", () => {
  const large = "x".repeat(1.5 * 2 ** 20);
  it.each<[string, unknown, unknown, string]>([
    ["1.5 MiB", large, large, "tooLarge"],
    ["a bigint in JSON", { id: 1n }, { id: 1n }, "codec"],
    ["a function", Math.max, Math.max, "codec"],
    ["a cycle", cycle, cycle, "codec"],
    ["too many tags", loaded("v", { tags: manyTags }), "v", "options"],
    ["a tag that is too long", loaded("v", { tags: ["t".repeat(600)] }), "v", "options"],
    ["a TTL out of range", loaded("v", { ttlMs: -1 }), "v", "options"],
    ["a TTL that is no number", loaded("v", { ttlMs: untyped("60") }), "v", "options"],
    ["a source version out of range", loaded("v", { sourceVersion: -1n }), "v", "options"],
    ["options that cannot be read", loaded("v", unreadable), "v", "options"],
    ["an unknown option", loaded("v", untyped({ ttl: 60 })), "v", "options"],
    ["bad options of an absent record", absent({ ttlMs: -1 }), undefined, "options"],
  ])("of %s", async (_what, returned, value, reason) => {
    const { mesh, cache, users } = await start();
    let loads = 0;
    const load = (() => {
      loads += 1;
      return returned;
    }) as Loader<unknown>;
    const all = await mesh.run(Promise.all(Array.from({ length: 3 }, () => users.getOrLoad("k", load))));
    expect(all).toEqual([value, value, value]);
    expect(loads).toBe(1);
    expect(cache.stats().loads).toMatchObject({ loads: 1, loadFailures: 0, loadsUnkept: 1 });
    expect(cache.stats().loads.unkeptBy).toMatchObject({ [reason]: 1 });
    // The lease was given back, so the next caller need not wait for its end.
    expect(mesh.store.counters.leasesReleased).toBe(1);
    expect(await mesh.run(users.entry("k", { loader: load }))).toMatchObject({
      kind: value === undefined ? "absent" : "hit",
      source: "loader",
      version: undefined,
    });
    expect(warnings).toHaveBeenCalledOnce();
    expect(JSON.stringify(warnings.mock.calls)).toContain("namespace users");
    expect(JSON.stringify(warnings.mock.calls)).toContain("MeshCacheWarning");
  });

  it("says neither key nor value in its warning, and warns once a kind and namespace", async () => {
    const { mesh, cache, users } = await start();
    const others = cache.namespace("others");
    const secret = () => ({ secret: "hidden", id: 1n });
    for (const key of ["private:1", "private:2"]) {
      await mesh.run(users.getOrLoad(key, secret));
      await mesh.run(others.getOrLoad(key, secret));
      await mesh.run(users.getOrLoad(key, () => loaded("hidden", { ttlMs: -1 })));
    }
    expect(warnings).toHaveBeenCalledTimes(3);
    expect(JSON.stringify(warnings.mock.calls)).not.toMatch(/private|hidden/);
  });

  it("does not warn without end, however many namespaces there are", async () => {
    const { mesh, cache } = await start({ nearCache: false });
    for (let at = 0; at < 150; at += 1) {
      const namespace = cache.namespace(`n${at}`, { codec: json<unknown>(), nearCache: false });
      await mesh.run(namespace.getOrLoad("k", () => 1n));
    }
    expect(warnings).toHaveBeenCalledTimes(100);
  });

  it("when the server is lost during the load, even with `failOpen: false`", async () => {
    const { mesh, cache, users } = await start();
    const source = Promise.withResolvers<string>();
    const reading = users.getOrLoad("k", () => source.promise, { failOpen: false });
    await mesh.settle();
    mesh.down.add("server:1");
    mesh.link.reset();
    source.resolve("v");
    await mesh.advance(3_000);
    expect(await reading).toBe("v");
    expect(cache.stats().loads.unkeptBy.outage).toBe(1);
  });

  it.each<[string, Partial<ClientOptions>, RegExp]>([
    ["its window is full", { inFlightMaxOperations: 16 }, /inFlightMaxOperations/],
    ["no answer comes in time", { deadlineMs: 100 }, /no answer by the deadline/],
  ])("when %s, and says so in its event", async (_what, options, cause) => {
    const mesh = new Mesh();
    const events: ClientEvent[] = [];
    const cache = mesh.connect({ ...options, onEvent: (event) => events.push(event) });
    const users = cache.namespace("users", { codec: json<string>(), ttlMs: 10_000 });
    await mesh.settle();
    mesh.link.holdRequests = true;
    const loading = Array.from({ length: 17 }, (_, at) => users.getOrLoad(`${at}`, () => "v"));
    await mesh.advance(100);
    mesh.link.release();
    expect(new Set(await mesh.run(Promise.all(loading)))).toEqual(new Set(["v"]));
    expect(events.find(({ kind }) => kind === "loadUnkept")).toMatchObject({
      reason: "outage",
      cause: expect.stringMatching(cause),
    });
  });

  it("when the lease is lost during the load, without a warning", async () => {
    const { mesh, cache, users } = await start();
    const source = Promise.withResolvers<string>();
    const reading = users.getOrLoad("k", () => source.promise);
    await mesh.settle();
    await mesh.run(users.invalidate({ keys: ["k"] }));
    source.resolve("v");
    expect(await mesh.run(reading)).toBe("v");
    expect(cache.stats().loads.unkeptBy.changed).toBe(1);
    expect(warnings).not.toHaveBeenCalled();
  });

  it("when the client is closed while the value is stored", async () => {
    const { mesh, cache, users } = await start();
    const source = Promise.withResolvers<string>();
    const reading = users.getOrLoad("k", () => source.promise);
    await mesh.settle();
    mesh.link.holdRequests = true;
    source.resolve("v");
    await mesh.settle();
    const closing = cache.close({ graceMs: 0 });
    await mesh.advance(10, 1);
    await closing;
    expect(await reading).toBe("v");
  });

  it("merges tags that are named twice, of a load and of a set", async () => {
    const { mesh, users } = await start();
    const tags = Array.from({ length: 40 }, (_, at) => `t${at % 3}`);
    await mesh.run(users.getOrLoad("loaded", () => loaded("v", { tags })));
    expect(await mesh.run(users.entry("loaded"))).toMatchObject({ kind: "hit", tags: ["t0", "t1", "t2"] });
    expect(await mesh.run(users.set("set", "v", { tags }))).toMatchObject({ kind: "stored" });
    expect(await mesh.run(users.entry("set"))).toMatchObject({ kind: "hit", tags: ["t0", "t1", "t2"] });
  });
});

class Account {
  readonly name = "Ada";
}

describe("C5: one shape of a value for all callers, from the first", () => {
  const values: [string, () => unknown, unknown][] = [
    [
      "a date and a list",
      () => ({ at: new Date(0), list: [2, 1] }),
      { at: "1970-01-01T00:00:00.000Z", list: [2, 1] },
    ],
    ["an instance", () => new Account(), { name: "Ada" }],
    ["a map", () => ({ map: new Map([["a", 1]]) }), { map: {} }],
    ["NaN", () => [Number.NaN], [null]],
    ["an undefined field", () => ({ a: undefined, b: 1 }), { b: 1 }],
  ];
  const near: [string, Partial<NamespaceOptions<unknown>>][] = [
    ["frozen", {}],
    ["cloned", { nearCache: { values: "cloned" } }],
    ["not near", { nearCache: false }],
  ];
  it.each(near.flatMap(([mode, options]) => values.map((value) => [mode, options, ...value] as const)))(
    "%s, %s: %s",
    async (mode, options, _what, load, shape) => {
      const { mesh, users } = await start(options);
      const together = await mesh.run(
        Promise.all([users.getOrLoad("k", load), users.getOrLoad("k", load), users.getOrLoad("k", load)]),
      );
      const later = [await mesh.run(users.getOrLoad("k", load)), await mesh.run(users.getOrLoad("k", load))];
      for (const value of [...together, ...later]) {
        expect(value).toStrictEqual(shape);
        expect(Object.isFrozen(value)).toBe(mode === "frozen");
      }
      expect(new Set([...together, ...later]).size).toBe(mode === "frozen" ? 1 : 5);
    },
  );

  it("is the same when no server answers", async () => {
    const { mesh, users } = await start();
    mesh.down.add("server:1");
    mesh.link.reset();
    await mesh.advance(500);
    const value = await mesh.run(users.getOrLoad("k", () => ({ at: new Date(0) })));
    expect(value).toStrictEqual({ at: "1970-01-01T00:00:00.000Z" });
    expect(Object.isFrozen(value)).toBe(true);
  });

  it("leaves the loader's own object as it was", async () => {
    const { mesh, users } = await start();
    const own = { list: [1] };
    const value = await mesh.run(users.getOrLoad("k", () => own));
    expect(value).not.toBe(own);
    expect(Object.isFrozen(own)).toBe(false);
    expect(Object.isFrozen(own.list)).toBe(false);
  });

  it("gives all callers the original when it cannot be encoded: frozen if it is plain", async () => {
    const { mesh, users } = await start();
    const plain = { id: 1n, list: [{}], self: {} };
    plain.self = plain;
    const load = () => plain;
    const all = await mesh.run(Promise.all([users.getOrLoad("k", load), users.getOrLoad("k", load)]));
    expect(all[0]).toBe(plain);
    expect(all[1]).toBe(plain);
    expect(Object.isFrozen(plain) && Object.isFrozen(plain.list) && Object.isFrozen(plain.list[0])).toBe(
      true,
    );

    const mixed = { id: 1n, list: [{}], map: new Map() };
    expect(await mesh.run(users.getOrLoad("mixed", () => mixed))).toBe(mixed);
    expect(Object.isFrozen(mixed) || Object.isFrozen(mixed.list)).toBe(false);

    const hostile = {
      id: 1n,
      get trap(): never {
        throw new Error("of the getter");
      },
    };
    expect(await mesh.run(users.getOrLoad("hostile", () => hostile))).toBe(hostile);
  });

  it("gives the original when the codec cannot decode what it has encoded", async () => {
    const broken: Codec<unknown> = {
      name: "broken",
      contentType: "",
      encode: () => new Uint8Array(1),
      decode: () => {
        throw new Error("no");
      },
    };
    const { mesh, cache, users } = await start({ codec: broken });
    expect(await mesh.run(users.getOrLoad("k", () => "v"))).toBe("v");
    expect(cache.stats().loads.unkeptBy.codec).toBe(1);
    expect(mesh.store.counters.sets).toBe(0);
  });

  it("gives each caller bytes of its own", async () => {
    const { mesh, cache } = await start();
    const blobs = cache.namespace("blobs", { codec: bytes(), ttlMs: 10_000 });
    const own = new Uint8Array(20_000).fill(7);
    const load = () => own;
    const all = await mesh.run(Promise.all([blobs.getOrLoad("k", load), blobs.getOrLoad("k", load)]));
    own.fill(0);
    all[0]?.fill(1);
    expect(all[1]?.every((byte) => byte === 7)).toBe(true);
    const later = await mesh.run(blobs.getOrLoad("k", load));
    expect(later?.every((byte) => byte === 7)).toBe(true);
    const found = await mesh.run(blobs.get("k", { maxStalenessMs: 0 }));
    expect(found.kind === "hit" && found.value.every((byte) => byte === 7)).toBe(true);
  });
});

/** C9: a namespace a tenant, or one for each request: shared, closed, and covered by few selectors. */
import { describe, expect, it } from "vitest";
import { EventSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { bytes, CacheError, json, type NamespaceOptions, protobuf, text } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

const codec = json<string>();

function start(options = {}) {
  const mesh = new Mesh();
  const cache = mesh.connect(options);
  return { mesh, cache };
}

const tenant = (at: number) => `tenant-${at}`;
const reasonOf = (call: Promise<unknown>) =>
  call.then(
    () => "resolved",
    (error) => (error instanceof CacheError ? error.reason : String(error)),
  );

describe("C9: the same name", () => {
  it.each<[string, () => NamespaceOptions<never>]>([
    ["json()", () => ({ codec: json<never>() })],
    ["json({ strict: true })", () => ({ codec: json<never>({ strict: true }) })],
    ["text()", () => ({ codec: text() as never })],
    ["bytes()", () => ({ codec: bytes() as never })],
    ["protobuf()", () => ({ codec: protobuf(EventSchema) as never })],
    [
      "all options",
      () => ({
        codec: json<never>(),
        ttlMs: 5,
        staleMs: 6,
        nearCache: { prefixes: ["a", "b"], maxBytes: 70_000 },
      }),
    ],
  ])("and options give the same namespace, near cache and copies: %s", (_name, options) => {
    const { cache } = start();
    expect(cache.namespace("users", options())).toBe(cache.namespace("users", options()));
    expect(cache.namespace("others", options())).not.toBe(cache.namespace("users", options()));
    expect(cache.stats().namespaces).toBe(2);
  });

  it("without options is that with json()", () => {
    const { cache } = start();
    expect(cache.namespace("users")).toBe(cache.namespace("users", { codec: json<unknown>() }));
  });

  it.each<[string, NamespaceOptions<string>]>([
    ["codec", { codec: json<string>({ strict: true }) }],
    ["codec", { codec: { ...codec } }],
    ["ttlMs", { codec, ttlMs: 1 }],
    ["staleMs", { codec, ttlMs: 1_000, staleMs: 1 }],
    ["negativeTtlMs", { codec, negativeTtlMs: 1 }],
    ["ttlJitter", { codec, ttlJitter: 0 }],
    ["failureCooldownMs", { codec, failureCooldownMs: 1 }],
    ["undecodable", { codec, undecodable: "miss" }],
    ["nearCache", { codec, nearCache: false }],
    ["nearCache.maxBytes", { codec, nearCache: { maxBytes: 70_000 } }],
    ["nearCache.values", { codec, nearCache: { values: "cloned" } }],
    ["nearCache.prefixes", { codec, nearCache: { prefixes: ["a"] } }],
  ])("with another %s is an error that names it", (field, options) => {
    const { cache } = start();
    const open = cache.namespace("users", field === "staleMs" ? { codec, ttlMs: 1_000 } : { codec });
    const opening = () => cache.namespace("users", options);
    expect(opening).toThrow(
      expect.objectContaining({ reason: "FIELD_INVALID", detail: expect.objectContaining({ field }) }),
    );
    expect(opening).toThrow("users");
    void open.close();
    expect(opening).not.toThrow();
  });
});

describe("C9: a namespace that is closed", () => {
  it("refuses all calls, and is another one when it is opened again", async () => {
    const { mesh, cache } = start();
    const users = cache.namespace("users", { codec });
    await mesh.run(users.set("a", "v"));
    expect(cache.stats().near.entries).toBe(1);
    await mesh.run(users.close());
    expect(users.close()).toBe(users.close());
    expect(cache.stats()).toMatchObject({ namespaces: 0, near: { entries: 0, bytes: 0 } });
    const calls: Promise<unknown>[] = [
      users.get("a"),
      users.getMany(["a"]),
      users.entry("a"),
      users.entry("a", { loader: () => "x" }),
      users.getOrLoad("a", () => "x"),
      users.getOrLoadMany(["a"], () => []),
      users.set("a", "x"),
      users.setAbsent("a"),
      users.setMany([["a", "x"]]),
      users.touch("a"),
      users.increment("a"),
      users.invalidate({ all: true }),
    ];
    expect(new Set(await Promise.all(calls.map(reasonOf)))).toEqual(new Set(["CLOSED"]));
    expect(() => users.subscribe()).toThrow("closed");
    const again = cache.namespace("users", { codec, ttlMs: 7 });
    expect(again).not.toBe(users);
    expect(await mesh.run(again.get("a"))).toEqual({ kind: "hit", value: "v" });
  });

  it("ends its subscriptions, and gives its selector back", async () => {
    const { mesh, cache } = start();
    const users = cache.namespace("users", { codec });
    const others = cache.namespace("others", { codec });
    const events = users.subscribe()[Symbol.asyncIterator]().next();
    await mesh.run(others.get("a"));
    expect(cache.stats().connection.selectors).toBe(2);
    await mesh.run(users.close());
    expect(await events).toEqual({ done: true, value: undefined });
    expect(cache.stats().connection.selectors).toBe(1);
  });

  it("keeps nothing of what is under way, and finishes the load that it holds a lease for", async () => {
    const { mesh, cache } = start();
    const users = cache.namespace("users", { codec });
    await mesh.run(users.get("x"));
    const source = Promise.withResolvers<string>();
    const loading = users.getOrLoad("a", () => source.promise);
    await mesh.settle();
    mesh.link.hold();
    const reading = users.get("b");
    await mesh.settle();
    const closing = users.close();
    mesh.link.release();
    source.resolve("loaded");
    expect(await mesh.run(loading)).toBe("loaded");
    expect(await mesh.run(reading)).toEqual({ kind: "miss" });
    await mesh.run(closing);
    expect(cache.stats().near.entries).toBe(0);
    expect(await mesh.run(cache.namespace("users", { codec }).get("a"))).toMatchObject({ value: "loaded" });
  });

  it("that is opened again at once keeps no answer of before its selector was live again", async () => {
    const { mesh, cache } = start();
    const users = cache.namespace("users", { codec });
    const others = cache.namespace("others", { codec });
    await mesh.run(others.get("x"));
    void users.close();
    await mesh.turns.settle();
    const again = cache.namespace("users", { codec });
    const reading = again.get("a");
    await mesh.settle();
    await reading;
    mesh.write("users", "a", "new");
    await mesh.settle();
    expect(await mesh.run(again.get("a"))).toMatchObject({ value: "new" });
  });
});

describe("C9: very many namespaces", () => {
  const COUNT = 1_000;

  async function openMany() {
    const { mesh, cache } = start();
    const open = (at: number) => cache.namespace(tenant(at), { codec });
    await mesh.run(Promise.all(Array.from({ length: COUNT }, (_, at) => open(at).get("a"))));
    await mesh.run(Promise.all(Array.from({ length: COUNT }, (_, at) => open(at).set("a", `${at}`))));
    return { mesh, cache, open };
  }

  it("have near copies that are invalidated, with few selectors, and events of others are counted", async () => {
    const { mesh, cache, open } = await openMany();
    const { selectors, wideSelectors } = cache.stats().connection;
    expect(selectors).toBeLessThanOrEqual(64);
    expect(wideSelectors).toBeGreaterThan(0);
    const { hits } = cache.stats().near;
    for (let at = 0; at < COUNT; at += 1) await mesh.run(open(at).get("a"));
    expect(cache.stats().near.hits - hits).toBe(COUNT);
    for (let at = 0; at < COUNT; at += 7) mesh.write(tenant(at), "a", "new");
    for (let at = 0; at < COUNT; at += 1) mesh.write(`${tenant(at)}-of-nobody`, "a", "unwanted");
    await mesh.settle();
    for (let at = 0; at < COUNT; at += 1) {
      expect(await mesh.run(open(at).get("a"))).toMatchObject({ value: at % 7 === 0 ? "new" : `${at}` });
    }
    expect(cache.stats().connection.unwantedEvents).toBeGreaterThan(0);
  });

  it("change no selector when one comes or goes that they cover", async () => {
    const { mesh, cache } = await openMany();
    const sent = mesh.link.requests.length;
    mesh.link.holdRequests = true;
    const more = cache.namespace("tenant-77x", { codec });
    void cache.namespace("tenant-5", { codec }).close();
    await mesh.turns.settle();
    expect(mesh.link.requests.slice(sent).map(({ frame }) => frame.case)).toEqual([]);
    mesh.link.holdRequests = false;
    await mesh.run(more.set("a", "v"));
    const { hits } = cache.stats().near;
    await mesh.run(more.get("a"));
    expect(cache.stats().near.hits).toBe(hits + 1);
  });

  it("are as coherent after a reconnect, which subscribes them all with one frame", async () => {
    const { mesh, open } = await openMany();
    mesh.link.reset();
    mesh.write(tenant(3), "a", "new");
    await mesh.advance(1_000);
    expect(await mesh.run(open(3).get("a"))).toMatchObject({ value: "new" });
    expect(await mesh.run(open(4).get("a"))).toMatchObject({ value: "4" });
  });

  it("get a selector each again when few are left", async () => {
    const { mesh, cache, open } = await openMany();
    for (let at = 5; at < COUNT; at += 1) await open(at).close();
    await mesh.settle();
    expect(cache.stats()).toMatchObject({ namespaces: 5, connection: { selectors: 5, wideSelectors: 0 } });
    mesh.write(tenant(2), "a", "new");
    await mesh.settle();
    expect(await mesh.run(open(2).get("a"))).toMatchObject({ value: "new" });
  });

  it("share the bytes of the client; one that says its own has them for itself", async () => {
    const { mesh, cache } = start({ nearCache: { maxBytes: 65_536 } });
    const shared = Array.from({ length: 300 }, (_, at) => cache.namespace(tenant(at), { codec }));
    const own = cache.namespace("own", { codec, nearCache: { maxBytes: 65_536 } });
    await mesh.run(own.get("x"));
    for (let at = 0; at < 20; at += 1) await mesh.run(own.set(`${at}`, "v"));
    for (const namespace of shared) await mesh.run(namespace.set("a", "v"));
    const { bytes: used, entries, evicted } = cache.stats().near;
    expect(used).toBeLessThanOrEqual(2 * 65_536);
    expect(entries).toBeLessThan(320);
    expect(evicted).toBe(321 - entries);
    const { hits } = cache.stats().near;
    for (let at = 0; at < 20; at += 1) await mesh.run(own.get(`${at}`));
    await mesh.run(cache.namespace(tenant(299), { codec }).get("a"));
    expect(cache.stats().near.hits - hits).toBe(21);
  });
});

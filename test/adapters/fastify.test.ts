/** The plugin of Fastify, in two services that share a cache. */
import { Readable } from "node:stream";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { meshcache, type RouteCaching } from "../../src/adapters/fastify/index.ts";
import { bytes, MeshCache } from "../../src/index.ts";
import { createTestClock, startTestCache, type TestCache } from "../../src/testing/index.ts";
import { eventually } from "../support/eventually.ts";

const CACHE: RouteCaching = {
  ttlMs: "1m",
  tags: (request) => [`user:${(request.params as { id: string }).id}`],
};

let mesh: TestCache;
let calls: number;
let services: FastifyInstance[];
beforeEach(async () => {
  mesh = await startTestCache();
  calls = 0;
  services = [];
});
afterEach(async () => {
  for (const service of services) await service.close();
  await mesh.close();
});

/** Answers with how often its handler was called. */
async function createService(
  caching: Partial<RouteCaching> = {},
  cache = mesh.connect(),
): Promise<FastifyInstance> {
  const service = fastify();
  services.push(service);
  await service.register(meshcache, { cache, namespace: "users-api" });
  service.get(
    "/users/:id",
    { config: { meshcache: { cache: { ...CACHE, ...caching } } } },
    async (request, reply) => {
      calls += 1;
      const { kind } = request.query as { kind?: string };
      if (kind === "cookie") reply.header("set-cookie", "a=b");
      if (kind === "aged") reply.header("age", "30");
      if (kind === "private") reply.header("cache-control", "private");
      if (kind === "vary") reply.header("vary", "accept-language, origin");
      if (kind === "missing") reply.code(404);
      if (kind === "failing") throw new Error("failing");
      if (kind === "large") return "x".repeat(2 ** 21);
      reply.header("x-list", ["a", "b"]);
      return { calls, language: request.headers["accept-language"] };
    },
  );
  const invalidates = (request: { params: unknown }) => [`user:${(request.params as { id: string }).id}`];
  service.put("/users/:id", { config: { meshcache: { invalidates } } }, async () => ({ ok: true }));
  await service.ready();
  return service;
}

async function get(service: FastifyInstance, url = "/users/1", headers: Record<string, string> = {}) {
  const response = await service.inject({ url, headers });
  return {
    status: response.statusCode,
    by: response.headers["x-meshcache"],
    ...asJson(response.body),
    response,
  };
}

function asJson(body: string): { calls?: number; language?: string } {
  try {
    return JSON.parse(body);
  } catch {
    return {};
  }
}

describe("the plugin of Fastify", () => {
  it("decorates the instance with the client", async () => {
    const service = await createService();
    expect(service.meshcache).toBeInstanceOf(MeshCache);
  });

  it("answers in one service what the other has answered, with its headers", async () => {
    const [one, other] = [await createService(), await createService()];
    const first = await get(one);
    expect(first).toMatchObject({ status: 200, calls: 1, by: "miss" });
    const second = await get(other);
    expect(second).toMatchObject({ status: 200, calls: 1, by: "remote" });
    expect(await get(other)).toMatchObject({ calls: 1, by: "near" });
    const { date, "x-meshcache": by, connection, age, ...headers } = second.response.headers;
    expect([date, by, connection, age]).toEqual([expect.any(String), "remote", "keep-alive", "0"]);
    expect(first.response.headers).toMatchObject(headers);
    expect(headers).toMatchObject({
      "x-list": ["a", "b"],
      "content-type": "application/json; charset=utf-8",
    });
    expect(second.response.body).toBe(first.response.body);
  });

  it("calls the handler once for all who ask at the same time", async () => {
    const [one, other] = [await createService(), await createService()];
    const answers = await Promise.all([one, one, other, one, other].map((service) => get(service)));
    expect(answers.map((answer) => answer.calls)).toEqual([1, 1, 1, 1, 1]);
  });

  it("removes by the tags of a write what all services have, before the write is answered", async () => {
    const [one, other] = [await createService(), await createService()];
    for (const url of ["/users/1", "/users/2"]) for (const service of [one, other]) await get(service, url);
    const written = await one.inject({ method: "PUT", url: "/users/1" });
    expect(written.headers["x-meshcache"]).toBe("invalidated");
    expect(await get(one)).toMatchObject({ calls: 3, by: "miss" });
    await eventually(async () => expect(await get(other)).toMatchObject({ calls: 3 }));
    expect(await get(one, "/users/2")).toMatchObject({ calls: 2, by: "near" });
  });

  it("removes on every outcome of a write's handler, and nothing for what was refused before it", async () => {
    const [cache, service] = [mesh.connect(), fastify()];
    services.push(service);
    await service.register(meshcache, { cache, namespace: "users-api" });
    const schema = { body: { type: "object", required: ["id"] } };
    const invalidates = ({ body }: { body: unknown }) => [`user:${(body as { id: string }).id}`];
    const config = { meshcache: { invalidates } };
    const preHandler = async ({ headers }: FastifyRequest, reply: FastifyReply) =>
      headers["x-user"] === undefined ? reply.code(401).send({}) : undefined;
    service.put("/users", { schema, config, preHandler }, async () => {
      throw new Error("failing");
    });
    const reader = await createService({}, cache);
    const put = async (payload: object, headers: Record<string, string>) => {
      await get(reader);
      const { statusCode, json } = await service.inject({ method: "PUT", url: "/users", payload, headers });
      return [statusCode, json().message, (await get(reader)).by !== "miss"];
    };
    expect(await put({}, { "x-user": "a" })).toEqual([400, "body must have required property 'id'", true]);
    expect(await put({ id: "1" }, {})).toEqual([401, undefined, true]);
    expect(await put({ id: "1" }, { "x-user": "a" })).toEqual([500, "failing", false]);
  });

  it("answers a write whose tags cannot be made", async () => {
    const service = fastify();
    services.push(service);
    await service.register(meshcache, { cache: mesh.connect(), namespace: "users-api" });
    const invalidates = () => {
      throw new Error("no tags");
    };
    service.put("/users/:id", { config: { meshcache: { invalidates } } }, async () => "written");
    const { statusCode, body, headers } = await service.inject({ method: "PUT", url: "/users/1" });
    expect([statusCode, body, headers["x-meshcache"]]).toEqual([200, "written", "failed"]);
  });

  it("does not store what a handler has read before a write", async () => {
    const slow = fastify();
    services.push(slow);
    const { promise: written, resolve: write } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    await slow.register(meshcache, { cache: mesh.connect(), namespace: "users-api" });
    slow.get("/users/:id", { config: { meshcache: { cache: CACHE } } }, async () => {
      calls += 1;
      ask();
      await written;
      return { calls };
    });
    const reading = get(slow);
    await asked;
    const other = await createService();
    await other.inject({ method: "PUT", url: "/users/1" });
    write();
    expect(await reading).toMatchObject({ calls: 1 });
    expect(await get(other)).toMatchObject({ calls: 2, by: "miss" });
  });

  it.each(["cookie", "private", "vary", "missing", "failing", "large"])(
    "does not keep what is %s",
    async (kind) => {
      const service = await createService();
      for (const call of [1, 2]) {
        await get(service, `/users/1?kind=${kind}`);
        expect(calls).toBe(call);
      }
    },
  );

  it("keeps apart what the query and the named headers select", async () => {
    const service = await createService({ vary: ["Accept-Language"] });
    for (const _time of [1, 2]) {
      expect(await get(service, "/users/1", { "accept-language": "de" })).toMatchObject({ language: "de" });
      expect(await get(service, "/users/1", { "accept-language": "en" })).toMatchObject({ language: "en" });
      await get(service, "/users/1?page=2");
    }
    expect(calls).toBe(3);
  });

  it("keeps apart routes that differ in a constraint, and the hosts of a pattern", async () => {
    const service = fastify();
    services.push(service);
    await service.register(meshcache, { cache: mesh.connect(), namespace: "users-api" });
    const config = { meshcache: { cache: { ttlMs: "1m" } } } as const;
    for (const constraints of [{ host: "one" }, { version: "1.0.0" }, { version: "2.0.0" }]) {
      service.get("/", { config, constraints }, async () => JSON.stringify(constraints));
    }
    service.get("/", { config, constraints: { host: /\.tenants$/ } }, async ({ host }) => host);
    const bodyOf = async (headers: Record<string, string>) =>
      (await get(service, "/", headers)).response.body;
    for (const _time of [1, 2]) {
      expect(await bodyOf({ host: "one" })).toBe('{"host":"one"}');
      expect(await bodyOf({ "accept-version": "1.x" })).toBe('{"version":"1.0.0"}');
      expect(await bodyOf({ "accept-version": "2.x" })).toBe('{"version":"2.0.0"}');
      expect(await bodyOf({ host: "a.tenants" })).toBe("a.tenants");
      expect(await bodyOf({ host: "b.tenants" })).toBe("b.tenants");
    }
  });

  it("shares nothing with requests that say who asks, unless the route does", async () => {
    const [service, shared] = [await createService(), await createService({ shared: true })];
    for (const headers of [{ authorization: "Bearer t" }, { cookie: "a=b" }]) {
      await get(service, "/users/1", headers);
      expect((await get(service, "/users/1", headers)).by).toBeUndefined();
    }
    expect(calls).toBe(4);
    await get(shared, "/users/2", { authorization: "Bearer t" });
    expect(await get(shared, "/users/2", { authorization: "Bearer u" })).toMatchObject({ calls: 5 });
  });

  it("gives hooks that change answers what the handler answered, each time", async () => {
    const service = fastify();
    services.push(service);
    await service.register(meshcache, { cache: mesh.connect(), namespace: "users-api" });
    service.addHook("onSend", async ({ headers }, reply, payload) => {
      if (headers["if-none-match"] !== undefined) {
        reply.code(304);
        return null;
      }
      reply.header("vary", "accept-encoding");
      return Readable.from([typeof payload === "string" ? `<${payload}>` : "no text"]);
    });
    const config = { meshcache: { cache: { ttlMs: "1m" } } } as const;
    service.get("/", { config }, async () => {
      calls += 1;
      return "text";
    });
    const answers = [];
    for (const headers of [{ "if-none-match": '"1"' }, {}, {}] as Record<string, string>[]) {
      const { status, response } = await get(service, "/", headers);
      answers.push([status, response.body]);
    }
    expect(answers).toEqual([
      [304, ""],
      [200, "<text>"],
      [200, "<text>"],
    ]);
    expect(calls).toBe(1);
  });

  it.each(["set-cookie", "cache-control"])("keeps no answer to which a hook adds %s", async (name) => {
    const service = fastify();
    services.push(service);
    await service.register(meshcache, { cache: mesh.connect(), namespace: "users-api" });
    service.addHook("onSend", async (_request, reply) => void reply.header(name, "private"));
    service.get("/", { config: { meshcache: { cache: { ttlMs: "1m" } } } }, async () => {
      calls += 1;
      return "text";
    });
    for (const _time of [1, 2]) await get(service, "/");
    expect(calls).toBe(2);
  });

  it("lets hooks refuse a request before it is answered from the cache", async () => {
    const service = await createService();
    await get(service);
    const guarded = fastify();
    services.push(guarded);
    await guarded.register(meshcache, { cache: mesh.connect(), namespace: "users-api" });
    const preHandler = async (
      _request: unknown,
      reply: { code(status: number): { send(body: string): unknown } },
    ) => reply.code(403).send("no");
    guarded.get("/users/:id", { preHandler, config: { meshcache: { cache: CACHE } } }, async () => ({
      calls,
    }));
    expect(await get(guarded)).toMatchObject({ status: 403 });
  });

  it.each([
    ["no frame", Buffer.from("other bytes")],
    ["a frame without headers", Buffer.concat([Buffer.from([8, 0, 0, 0, 2]), Buffer.from("{}")])],
  ])("calls the handler where the cache has %s", async (_, value) => {
    const cache = mesh.connect();
    const service = await createService({}, cache);
    const responses = cache.namespace("users-api", {
      codec: bytes(),
      undecodable: "miss",
      failureCooldownMs: 0,
    });
    await get(service);
    for await (const { key } of responses.keys()) await responses.set(key, value, { ttlMs: 60_000 });
    expect(await get(service)).toMatchObject({ status: 200, calls: 2 });
  });

  it("answers without a cache as without the plugin, and queues what a write removes", async () => {
    await using cache = new MeshCache({ address: "127.0.0.1:1", onEvent: () => {} });
    const service = await createService({}, cache);
    expect(await get(service)).toMatchObject({ status: 200, calls: 1 });
    expect(await get(service)).toMatchObject({ status: 200, calls: 2 });
    const written = await service.inject({ method: "PUT", url: "/users/1" });
    expect(written).toMatchObject({ statusCode: 200, headers: { "x-meshcache": "queued" } });
    await cache.close({ graceMs: 0 });
  });

  it("says how old an answer from the cache is, wherever it comes from", async () => {
    const clock = createTestClock();
    await using aging = await startTestCache({ clock });
    const [one, other] = [
      await createService({ ttlMs: "1h" }, aging.connect()),
      await createService({ ttlMs: "1h" }, aging.connect()),
    ];
    // Of the second, its handler says that it had it from a cache.
    const ages = async (service: FastifyInstance) => {
      const answers = [await get(service, "/users/1"), await get(service, "/users/2?kind=aged")];
      return answers.map(({ response }) => response.headers.age);
    };
    expect(await ages(one)).toEqual([undefined, "30"]);
    // These wait until the answers are stored.
    expect(await ages(one)).toEqual(["0", "30"]);
    clock.advance(5_900);
    expect(await ages(one)).toEqual(["5", "35"]);
    expect(await ages(other)).toEqual(["5", "35"]);
    expect(calls).toBe(2);
    for (const service of services.splice(0)) await service.close();
  });

  it.each([
    ["no lifetime", { ttlMs: undefined }, "ttlMs"],
    ["a lifetime of 0", { ttlMs: 0 }, "ttlMs"],
    ["too many tags", { tags: Array.from({ length: 17 }, (_, index) => `tag:${index}`) }, "tags"],
    ["a tag that is too long", { tags: ["t".repeat(129)] }, "tags"],
    ["an empty tag", { tags: [""] }, "tags"],
    ["tags that are no list", { tags: "user" }, "tags"],
    ["what is no name of a header", { vary: [1] }, "vary"],
    ["an option that is none", { ttl: "1m" }, "cache.ttl"],
  ])("refuses %s when the route is made", async (_, caching, field) => {
    const made = createService(caching as Partial<RouteCaching>);
    await expect(made).rejects.toMatchObject({ reason: "FIELD_INVALID", detail: { field } });
  });

  it("takes as many different tags as a server does, when the route is made", async () => {
    const tags = Array.from({ length: 17 }, (_, index) => `tag:${index % 16}`);
    const service = await createService({ tags });
    await get(service);
    expect(await get(service)).toMatchObject({ calls: 1 });
  });

  it.each([
    ["a tag that is too long", { invalidates: ["t".repeat(129)] }, "invalidates"],
    ["an empty list", { invalidates: [] }, "invalidates"],
    ["an answer that is to be kept", { cache: CACHE }, "cache"],
    ["an option that is none", { invalidate: ["user"] }, "invalidate"],
  ])("refuses %s of a write when the route is made", async (_, config, field) => {
    const service = fastify();
    services.push(service);
    await service.register(meshcache, { cache: mesh.connect(), namespace: "users-api" });
    const make = () => service.put("/users/:id", { config: { meshcache: config } }, async () => "written");
    expect(make).toThrow(
      expect.objectContaining({ reason: "FIELD_INVALID", detail: expect.objectContaining({ field }) }),
    );
  });
});

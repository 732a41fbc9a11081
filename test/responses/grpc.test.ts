/** Responses of a grpc-js service, cached by an interceptor of its clients or by its server: equal to those without a cache. */
import { InterceptingCall, type Interceptor, Metadata, type ServiceDefinition, status } from "@grpc/grpc-js";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cacheService, createCacheInterceptor } from "../../src/responses/grpc/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import {
  connectUsers,
  createUsersService,
  type ListeningServer,
  listen,
  type UsersClient,
  type UsersService,
} from "./users-server.ts";
import { loadUsers, PATIENT, PATIENT_WRITES } from "./users-service.ts";

const definition = loadUsers(false) as ServiceDefinition;

interface Setting {
  readonly service: UsersService;
  /** Two clients that cache, as two processes would. */
  readonly cached: UsersClient;
  readonly other: UsersClient;
  /** Calls the same service without a cache. */
  readonly plain: UsersClient;
}

type Side = "client" | "server";
const sides: readonly Side[] = ["client", "server"];

describe.each(sides)("a cache in the %s", (side) => {
  let mesh: TestCache;
  let servers: ListeningServer[];
  let at: Setting;

  beforeEach(async () => {
    mesh = await startTestCache({ client: PATIENT });
    const service = createUsersService();
    const uncached = await listen(definition, service.handlers);
    servers = [uncached];
    const caches = [mesh.cache, mesh.connect(PATIENT)] as const;
    const connect = async (cache: (typeof caches)[number]): Promise<UsersClient> => {
      if (side === "client") {
        const interceptor = createCacheInterceptor({ ...PATIENT_WRITES, cache, definitions: definition });
        return connectUsers(uncached.address, definition, [interceptor]);
      }
      const wrapped = cacheService(definition, service.handlers, {
        ...PATIENT_WRITES,
        cache,
        authorize: "before",
      });
      const server = await listen(...wrapped);
      servers.push(server);
      return connectUsers(server.address, definition);
    };
    at = {
      service,
      cached: await connect(caches[0]),
      other: await connect(caches[1]),
      plain: connectUsers(uncached.address, definition),
    };
  });

  afterEach(async () => {
    for (const client of [at.cached, at.other, at.plain]) client[Symbol.dispose]();
    for (const server of servers) await server[Symbol.asyncDispose]();
    await mesh.close();
  });

  it("answers the first call from the service, the second from memory, and another process from the cache", async () => {
    const request = { tenantId: "acme", userId: "42" };
    const marks = [];
    for (const client of [at.cached, at.cached, at.other, at.other]) {
      const seen = await client.call("GetUser", request);
      expect(seen).toMatchObject({ code: status.OK, response: { userId: "42", name: "user acme:42" } });
      marks.push(seen.mark);
    }
    expect(marks).toEqual(["miss", "near", "remote", "near"]);
    expect(at.service.calls.GetUser).toBe(1);
  });

  it("makes a write in another process fresh before the writer has its answer", async () => {
    const request = { tenantId: "acme", userId: "42" };
    await at.cached.call("GetUser", request);
    const written = await at.other.call("RenameUser", { ...request, name: "Ada" });
    expect(written).toMatchObject({ code: status.OK, response: { name: "Ada" }, mark: "invalidated" });
    await mesh.cache.sync();
    expect((await at.cached.call("GetUser", request)).response).toMatchObject({ name: "Ada" });
  });

  it("invalidates when a write that was committed fails, and not for an outcome that proves that nothing happened", async () => {
    const request = { tenantId: "acme", userId: "42" };
    await at.cached.call("GetUser", request);
    const refused = await at.cached.call("RenameUser", { ...request, name: "" });
    expect(refused).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: "a name is needed",
      mark: "unchanged",
    });
    expect((await at.cached.call("GetUser", request)).mark).toBe("near");
    at.service.renameError = { code: status.UNAVAILABLE, details: "gone" };
    const failed = await at.cached.call("RenameUser", { ...request, name: "Ada" });
    expect(failed).toMatchObject({ code: status.UNAVAILABLE, details: "gone", mark: "invalidated" });
    expect((await at.cached.call("GetUser", request)).response).toMatchObject({ name: "Ada" });
  });

  it("invalidates a single key, and the responses of a method by its prefix", async () => {
    await at.cached.call("GetPlan", { name: "gold" });
    await at.cached.call("GetPlan", { name: "tin" });
    await at.cached.call("SetPlan", { planName: "gold", usersMax: 7 });
    expect((await at.cached.call("GetPlan", { name: "gold" })).response).toMatchObject({ usersMax: 7 });
    expect((await at.cached.call("GetPlan", { name: "tin" })).mark).toBe("near");
    const find = { filter: { tenantId: "acme" } };
    await at.cached.call("FindUsers", find);
    expect((await at.cached.call("FindUsers", find)).mark).toBe("near");
    await at.cached.call("RenameUser", { tenantId: "acme", userId: "1", name: "Ada" });
    expect((await at.cached.call("FindUsers", find)).mark).toBe("miss");
  });

  it("lets calls with credentials or with metadata that are not declared pass", async () => {
    const request = { tenantId: "acme", userId: "42" };
    await at.cached.call("GetUser", request);
    for (const metadata of [{ authorization: "Bearer 1" }, { cookie: "a=1" }, { "x-experiment": "on" }]) {
      const seen = await at.cached.call("GetUser", request, { metadata });
      expect(seen.mark).toBeUndefined();
      expect(seen.code).toBe(status.OK);
    }
    expect(at.service.calls.GetUser).toBe(4);
    const ignored = { traceparent: "00-1-1-01", "x-request-id": "7" };
    expect((await at.cached.call("GetUser", request, { metadata: ignored })).mark).toBe("near");
  });

  it("keeps a response for each value of the metadata that is declared", async () => {
    const request = { tenantId: "acme", userId: "42" };
    const ask = async (language: string) =>
      (await at.cached.call("GetUser", request, { metadata: { "accept-language": language } })).mark;
    expect([await ask("en"), await ask("de"), await ask("en"), await ask("de")]).toEqual([
      "miss",
      "miss",
      "near",
      "near",
    ]);
    await at.cached.call("RenameUser", { ...request, name: "Ada" });
    expect([await ask("en"), await ask("de")]).toEqual(["miss", "miss"]);
  });

  it("gives each caller what was answered to it, and shares what is declared to be shared", async () => {
    const ask = async (token: string) =>
      at.cached.call("GetSettings", { userId: "1" }, { metadata: { authorization: token } });
    expect(await ask("a")).toMatchObject({ response: { readFor: "a" }, mark: "miss" });
    expect(await ask("b")).toMatchObject({ response: { readFor: "b" }, mark: "miss" });
    expect(await ask("a")).toMatchObject({ response: { readFor: "a" }, mark: "near" });
    await at.cached.call("GetPlan", { name: "gold" }, { metadata: { authorization: "a" } });
    expect(
      (await at.cached.call("GetPlan", { name: "gold" }, { metadata: { authorization: "b" } })).mark,
    ).toBe("near");
  });

  it("keeps an error that is declared, with its details, and no other", async () => {
    const details = new Metadata();
    details.set("grpc-status-details-bin", Buffer.from([8, 5]));
    at.service.answers.set("acme:1", {
      code: status.NOT_FOUND,
      details: "no such user ü",
      metadata: details,
    });
    at.service.answers.set("acme:2", { code: status.INTERNAL, details: "broken" });
    const missing = { tenantId: "acme", userId: "1" };
    const [first, second] = [
      await at.cached.call("GetUser", missing),
      await at.cached.call("GetUser", missing),
    ];
    expect(first).toMatchObject({ code: status.NOT_FOUND, details: "no such user ü", mark: "miss" });
    expect(second).toEqual({ ...first, mark: "near" });
    expect(second.trailers["grpc-status-details-bin"]).toEqual([Buffer.from([8, 5])]);
    const broken = { tenantId: "acme", userId: "2" };
    for (const _ of [1, 2]) {
      expect(await at.cached.call("GetUser", broken)).toMatchObject({
        code: status.INTERNAL,
        details: "broken",
      });
    }
    expect(at.service.calls.GetUser).toBe(3);
    // A write makes it exist.
    at.service.answers.delete("acme:1");
    await at.cached.call("RenameUser", { ...missing, name: "Ada" });
    expect(await at.cached.call("GetUser", missing)).toMatchObject({ code: status.OK, mark: "miss" });
  });

  it("keeps metadata and trailers that are named, and shows all others to the one who asked the service", async () => {
    at.service.metadata.set("x-region", "eu");
    at.service.metadata.set("x-secret", "1");
    at.service.trailers.set("x-region", "west");
    at.service.trailers.set("x-cost", "7");
    const request = { tenantId: "acme", userId: "42" };
    const uncached = await at.plain.call("GetUser", request);
    expect(await at.cached.call("GetUser", request)).toEqual({ ...uncached, mark: "miss" });
    expect(await at.cached.call("GetUser", request)).toEqual({
      ...uncached,
      metadata: { "x-region": ["eu"] },
      trailers: { "x-region": ["west"] },
      mark: "near",
    });
  });

  it("asks the service once for many callers, each of whom keeps its own deadline and cancellation", async () => {
    at.service.delayMs = 300;
    const request = { tenantId: "acme", userId: "42" };
    const late = at.cached.call("GetUser", request, { deadlineMs: 50 });
    const cancelled = at.cached.call("GetUser", request, { begun: (cancel) => setTimeout(cancel, 50) });
    const patient = Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? at.cached : at.other).call("GetUser", request, { deadlineMs: 20_000 }),
    );
    expect((await late).code).toBe(status.DEADLINE_EXCEEDED);
    expect((await cancelled).code).toBe(status.CANCELLED);
    for (const seen of await Promise.all(patient)) expect(seen.code).toBe(status.OK);
    expect(at.service.calls.GetUser).toBe(1);
  });

  it("answers as the service does while no cache can be reached", async () => {
    const request = { tenantId: "acme", userId: "42" };
    await at.cached.call("GetUser", request);
    await mesh.server.close();
    expect((await at.cached.call("GetUser", { ...request, userId: "43" })).code).toBe(status.OK);
    const written = await at.cached.call("RenameUser", { ...request, name: "Ada" }, { deadlineMs: 500 });
    expect(written).toMatchObject({ code: status.OK, mark: "queued" });
    expect((await at.cached.call("GetUser", request)).response).toMatchObject({ name: "Ada" });
  });

  it("passes methods without options, and streams, on", async () => {
    expect((await at.cached.call("Ping", {})).response).toEqual({ pings: 1 });
    expect((await at.cached.call("Ping", {})).response).toEqual({ pings: 2 });
  });

  it("answers field by field as the service does, errors included", async () => {
    const text = fc.oneof(fc.string({ unit: "grapheme", maxLength: 20 }), fc.constant(""));
    const user = fc.record(
      {
        tenantId: text,
        userId: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String),
        name: text,
        groups: fc.array(text, { maxLength: 3 }),
        picture: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
        labels: fc.dictionary(text, text, { maxKeys: 3 }),
        revision: fc.nat(2 ** 31),
      },
      { requiredKeys: [] },
    );
    const failure = fc.record({ code: fc.integer({ min: 1, max: 16 }), details: text });
    let userId = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 3, arbitrary: user }, failure), text, async (answer, tenantId) => {
        userId += 1;
        const request = { tenantId, userId: String(userId) };
        at.service.answers.set(`${tenantId}:${userId}`, answer);
        const { mark: _, ...uncached } = await at.plain.call("GetUser", request);
        for (const client of [at.cached, at.cached, at.other]) {
          const { mark: __, ...seen } = await client.call("GetUser", request);
          expect(seen).toEqual(uncached);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("a cache in the client", () => {
  it("lets calls with an authority of their own pass: it is in no key", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const service = createUsersService();
    await using server = await listen(definition, service.handlers);
    const interceptor = createCacheInterceptor({ cache: mesh.cache, definitions: definition });
    using client = connectUsers(server.address, definition, [interceptor]);
    const request = { userId: "1" };
    expect((await client.call("GetUser", request, { host: "other.example" })).mark).toBeUndefined();
    expect((await client.call("GetUser", request)).mark).toBe("miss");
    expect((await client.call("GetUser", request, { host: "other.example" })).mark).toBeUndefined();
  });

  it("gives each caller metadata of its own, which another interceptor may change", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const { handlers } = createUsersService();
    await using server = await listen(definition, handlers);
    let calls = 0;
    const counting: Interceptor = (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start: (metadata, _listener, next) =>
          next(metadata, {
            onReceiveMetadata: (received, nextMetadata) => {
              calls += 1;
              received.add("x-calls", String(calls));
              nextMetadata(received);
            },
          }),
      });
    const cached = createCacheInterceptor({ ...PATIENT_WRITES, cache: mesh.cache, definitions: definition });
    using client = connectUsers(server.address, definition, [counting, cached]);
    const request = { tenantId: "acme", userId: "1" };
    for (const [call, mark] of [
      ["1", "miss"],
      ["2", "near"],
      ["3", "near"],
    ]) {
      expect(await client.call("GetUser", request)).toMatchObject({
        code: status.OK,
        response: request,
        mark,
        metadata: { "x-calls": [call] },
      });
    }
  });

  it("lets calls pass whose credentials it cannot see", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const service = createUsersService();
    await using server = await listen(definition, service.handlers);
    const interceptor = createCacheInterceptor({
      cache: mesh.cache,
      definitions: definition,
      hasCredentials: true,
    });
    using client = connectUsers(server.address, definition, [interceptor]);
    expect((await client.call("GetUser", { userId: "1" })).mark).toBeUndefined();
    expect((await client.call("GetSettings", { userId: "1" })).mark).toBeUndefined();
    expect((await client.call("GetPlan", { name: "gold" })).mark).toBe("miss");
  });
});

describe("a cache in the server", () => {
  it("asks who may call before it answers from memory", async () => {
    await using mesh = await startTestCache({ client: PATIENT });
    const service = createUsersService();
    const denied = Object.assign(new Error("not you"), {
      code: status.PERMISSION_DENIED,
      details: "not you",
    });
    const wrapped = cacheService(definition, service.handlers, {
      cache: mesh.cache,
      authorize(call) {
        if (call.metadata.get("authorization")[0] !== "good") throw denied;
      },
    });
    await using server = await listen(...wrapped);
    using client = connectUsers(server.address, definition);
    const ask = (token: string) =>
      client.call("GetPlan", { name: "gold" }, { metadata: { authorization: token } });
    expect((await ask("good")).mark).toBe("miss");
    expect((await ask("good")).mark).toBe("near");
    expect(await ask("bad")).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: "not you",
      mark: undefined,
    });
  });
});

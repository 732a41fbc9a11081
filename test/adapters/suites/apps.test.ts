/** The applications that the documents show, each in two processes: the only thing that is new is that they agree. */
import { createHash } from "node:crypto";
import { createStorage } from "unstorage";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { meshcacheDriver } from "../../../src/adapters/unstorage/index.ts";
import { eventually } from "../../support/eventually.ts";
import { type Served, serve } from "./served.ts";
import { type Spawned, spawnApp } from "./spawned.ts";

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served[Symbol.asyncDispose]());

const start = async (name: string): Promise<[Spawned, Spawned]> => [
  await spawnApp(name, served.address),
  await spawnApp(name, served.address),
];

const ask = async (url: string, init: RequestInit = {}): Promise<unknown> => {
  const response = await fetch(url, init);
  expect(response.ok).toBe(true);
  return response.json();
};

describe("getOrLoad, where a program cached by hand", () => {
  const run = async (...args: string[]) => {
    const { line, ended } = await spawnApp("users", served.address, ...args);
    await ended;
    return JSON.parse(line);
  };

  it("reads the database once for all processes, until it has changed", async () => {
    const first = await run("1");
    expect(await run("1")).toEqual(first);
    expect(await run("1", "changed")).not.toEqual(first);
  });
});

describe("Keyv", () => {
  const run = async (...args: string[]) => {
    const { line, ended } = await spawnApp("keyv", served.address, ...args);
    await ended;
    return JSON.parse(line);
  };

  it("ends a session for other processes", async () => {
    await run("begin", "7", "Ada");
    expect(await run("show", "7")).toEqual({ user: "Ada" });
    await run("end", "7");
    expect(await run("show", "7")).toBeNull();
  });
});

describe("cache-manager", () => {
  it("computes once for two processes", async () => {
    const [one, other] = await start("cache-manager");
    expect(JSON.parse(one.line)).toMatchObject({ cents: 4_200 });
    expect(other.line).toBe(one.line);
    await Promise.all([one.ended, other.ended]);
  });
});

describe("NestJS with CacheInterceptor", () => {
  it("answers in one process what the other has computed, until one of them evicts it", async () => {
    const [one, other] = await start("nest");
    await using _one = one;
    await using _other = other;
    const first = await ask(`${one.line}/users/7`);
    // The interceptor does not wait for its Set.
    await eventually(async () => expect(await ask(`${other.line}/users/7`)).toEqual(first));
    await ask(`${other.line}/users/7`, { method: "DELETE" });
    await eventually(async () => expect(await ask(`${one.line}/users/7`)).not.toEqual(first));
  });
});

describe("Apollo Server", () => {
  it("answers in one process a persisted query that the other was told", async () => {
    const [one, other] = await start("apollo");
    await using _one = one;
    await using _other = other;
    const query = "{ hello }";
    const sha256Hash = createHash("sha256").update(query).digest("hex");
    const extensions = { persistedQuery: { version: 1, sha256Hash } };
    const headers = { "content-type": "application/json" };
    const post = (url: string, body: object) =>
      ask(url, { method: "POST", headers, body: JSON.stringify(body) });
    expect(await post(one.line, { query, extensions })).toEqual({ data: { hello: "world" } });
    await eventually(async () =>
      expect(await post(other.line, { extensions })).toEqual({ data: { hello: "world" } }),
    );
  });
});

describe("unstorage", () => {
  it("tells one process what another has set", async () => {
    await using app = await spawnApp("unstorage", served.address);
    const storage = createStorage({ driver: meshcacheDriver({ cache: served.cache, base: "settings" }) });
    await storage.setItem("theme", "dark");
    expect(await app.next()).toBe("update theme dark");
    expect(await app.ended).toEqual([0, null]);
  });
});

describe("Fastify", () => {
  it("answers in one process what the other has answered, until one of them cancels the order", async () => {
    const [one, other] = await start("fastify");
    await using _one = one;
    await using _other = other;
    const first = await ask(`${one.line}/orders/1`);
    expect(await ask(`${other.line}/orders/1`)).toEqual(first);
    await ask(`${other.line}/orders/1/cancel`, { method: "POST" });
    await eventually(async () => expect(await ask(`${one.line}/orders/1`)).not.toEqual(first));
  });
});

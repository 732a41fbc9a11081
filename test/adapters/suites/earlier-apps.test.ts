/** The programs from which the diffs of the documents begin: they run as they are, with Redis. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EngineProcess } from "../../support/engine/engine-process.ts";
import { engineProgram } from "../../support/engine/programs.ts";
import { type Spawned, spawnApp } from "./spawned.ts";

const isHere = engineProgram("redis") !== undefined;
if (!isHere && process.env.TIER_ENGINES === "required") throw new Error("redis-server is not installed");

describe.skipIf(!isHere)("a program that the documents change", () => {
  let engine: EngineProcess;
  let address: string;
  beforeAll(async () => {
    engine = await EngineProcess.start({ engine: "redis", settings: [["cluster-enabled", "no"]] });
    address = `redis://127.0.0.1:${engine.port}`;
  });
  afterAll(() => engine?.[Symbol.asyncDispose]());

  const run = async (name: string, ...args: string[]) => {
    const { line, ended } = await spawnApp(name, address, ...args);
    // Not with which code: BentoCache may reject when it is closed while its bus subscribes.
    await ended;
    return JSON.parse(line);
  };

  const ask = async (url: string, body?: object): Promise<unknown> => {
    const headers = { "content-type": "application/json" };
    const init = body === undefined ? {} : { method: "POST", headers, body: JSON.stringify(body) };
    return (await fetch(url, init)).json();
  };

  /** Two processes of one. */
  const pair = async (name: string): Promise<[Spawned, Spawned]> => [
    await spawnApp(name, address),
    await spawnApp(name, address),
  ];

  it.each(["redis-users", "bentocache-users", "cache-manager-users", "keyv-users"])(
    "%s reads the database once for all processes, until it has changed",
    async (name) => {
      const id = name;
      const first = await run(name, id);
      expect(await run(name, id)).toEqual(first);
      expect(await run(name, id, "changed")).not.toEqual(first);
    },
  );

  it("redis-keyv ends a session", async () => {
    await run("redis-keyv", "begin", "7", "Ada");
    expect(await run("redis-keyv", "show", "7")).toEqual({ user: "Ada" });
    await run("redis-keyv", "end", "7");
    expect(await run("redis-keyv", "show", "7")).toBeNull();
  });

  it("redis-cache-manager computes once", async () => {
    expect(await run("redis-cache-manager")).toEqual(await run("redis-cache-manager"));
  });

  it("redis-bentocache sets for another process", async () => {
    const [one, other] = await pair("redis-bentocache");
    await using _one = one;
    await using _other = other;
    await one.tell("set user:7 Ada");
    expect(await other.tell("get user:7")).toBe('"Ada"');
  });

  it("redis-unstorage reads", async () => {
    expect(await run("redis-unstorage")).toBeNull();
  });

  it("redis-nest answers again what it has computed", async () => {
    await using app = await spawnApp("redis-nest", address);
    expect(await ask(`${app.line}/users/7`)).toMatchObject({ id: "7" });
  });

  it("redis-apollo answers in one process a persisted query that the other was told", async () => {
    const [one, other] = await pair("redis-apollo");
    await using _one = one;
    await using _other = other;
    const query = "{ hello }";
    const sha256Hash = createHash("sha256").update(query).digest("hex");
    const extensions = { persistedQuery: { version: 1, sha256Hash } };
    expect(await ask(one.line, { query, extensions })).toEqual({ data: { hello: "world" } });
    expect(await ask(other.line, { extensions })).toEqual({ data: { hello: "world" } });
  });

  it("headers-fastify tells clients how long they may keep an answer", async () => {
    await using app = await spawnApp("headers-fastify", address);
    const { headers } = await fetch(`${app.line}/orders/1`);
    expect(headers.get("cache-control")).toBe("public, max-age=60");
  });
});

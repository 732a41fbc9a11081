/** The store for undici's cache: services that fetch from the same origin share what they have fetched. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, type Dispatcher, interceptors } from "undici";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytes } from "../../src/index.ts";
import { createCacheStore } from "../../src/responses/undici/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import { PATIENT } from "./users-service.ts";

const FRESH = { "cache-control": "max-age=60" };

describe("createCacheStore()", () => {
  let mesh: TestCache;
  let origin: string;
  let requests: IncomingMessage[];
  let handler: (request: IncomingMessage, response: ServerResponse) => void;
  let services: Dispatcher[];
  const cleanups: (() => Promise<unknown>)[] = [];

  beforeEach(async () => {
    mesh = await startTestCache({ client: PATIENT });
    requests = [];
    const server = createServer((request, response) => {
      requests.push(request);
      handler(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    services = [mesh.cache, mesh.connect(PATIENT)].map((cache) => {
      const store = createCacheStore({ cache, bodyMaxBytes: 1_000 });
      const agent = new Agent();
      cleanups.push(() => agent.close());
      return agent.compose(interceptors.cache({ store, type: "shared" }));
    });
    cleanups.push(
      () => new Promise((resolve) => server.close(resolve)),
      () => mesh.close(),
    );
  });

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  async function ask(
    service: number,
    path = "/",
    options: Partial<Dispatcher.RequestOptions> = {},
  ): Promise<string> {
    const dispatcher = services[service];
    if (dispatcher === undefined) throw new Error("there are two services");
    const { body } = await dispatcher.request({ origin, path, method: "GET", ...options });
    return body.text();
  }

  const numbered = (headers: Readonly<Record<string, string>>) => {
    let count = 0;
    handler = (_request, response) => {
      count += 1;
      response.writeHead(200, headers);
      response.end(`answer ${count}`);
    };
  };

  it("answers one service with what another one has fetched, byte for byte", async () => {
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    handler = (_request, response) => {
      response.writeHead(200, { ...FRESH, "x-list": ["a", "b"] });
      response.end(body);
    };
    for (const service of [0, 1]) {
      const got = await services[service]?.request({ origin, path: "/", method: "GET" });
      expect(Buffer.from((await got?.body.arrayBuffer()) ?? new ArrayBuffer())).toEqual(body);
      expect(got?.headers["x-list"]).toEqual(["a", "b"]);
      await mesh.cache.sync();
    }
    expect(requests).toHaveLength(1);
  });

  it("keeps each variant", async () => {
    handler = ({ headers }, response) => {
      response.writeHead(200, { ...FRESH, vary: "X-Kind" });
      response.end(String(headers["x-kind"]));
    };
    for (const round of [1, 2])
      for (const kind of ["a", "b", "c"]) {
        expect(await ask(round - 1, "/", { headers: { "x-kind": kind } })).toBe(kind);
        await mesh.cache.sync();
      }
    expect(requests).toHaveLength(3);
  });

  it("removes what a write of any service, or a tag, has made untrue", async () => {
    numbered({ ...FRESH, "cache-tag": "shop" });
    expect(await ask(0)).toBe("answer 1");
    await mesh.cache.sync();
    expect(await ask(1)).toBe("answer 1");
    await ask(1, "/", { method: "POST" });
    await expect.poll(() => ask(0)).toBe("answer 3");
    await mesh
      .connect(PATIENT)
      .namespace("responses", { codec: bytes() })
      .invalidate({ tags: ["shop"] });
    await expect.poll(() => ask(0)).toBe("answer 4");
  });

  it("stores nothing that was asked for before an invalidation", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    handler = (_request, response) => {
      void held.then(() => {
        response.writeHead(200, FRESH);
        response.end("old");
      });
    };
    const asking = ask(0);
    await expect.poll(() => requests.length).toBe(1);
    await mesh.cache.namespace("others", { codec: bytes() }).set("x", Buffer.of(1));
    await mesh.connect(PATIENT).namespace("responses", { codec: bytes() }).invalidate({ all: true });
    release();
    expect(await asking).toBe("old");
    await mesh.cache.sync();
    numbered(FRESH);
    expect(await ask(0)).toBe("answer 1");
  });

  it("stores the answer that follows one that was not kept", async () => {
    let count = 0;
    handler = (_request, response) => {
      count += 1;
      response.writeHead(count === 1 ? 500 : 200, count === 1 ? {} : FRESH);
      response.end(`answer ${count}`);
    };
    for (const answer of ["answer 1", "answer 2"]) expect(await ask(0)).toBe(answer);
    await expect.poll(() => ask(1)).toBe("answer 2");
    expect(requests).toHaveLength(2);
  });

  it("stores an answer after any number of others that were not kept", async () => {
    const store = createCacheStore({ cache: mesh.cache });
    const keyOf = (path: string) => ({ origin, path, method: "GET" });
    const unkept = Array.from({ length: 1_024 }, (_, at) => store.get(keyOf(`/unkept/${at}`)));
    expect(await Promise.all(unkept)).toEqual(unkept.map(() => undefined));
    const key = keyOf("/kept");
    expect(await store.get(key)).toBeUndefined();
    const nowMs = Date.now();
    const times = { cachedAt: nowMs, staleAt: nowMs + 60_000, deleteAt: nowMs + 60_000 };
    const stream = store.createWriteStream(key, {
      statusCode: 200,
      statusMessage: "OK",
      headers: {},
      ...times,
    });
    stream?.end("kept");
    await expect.poll(() => store.get(keyOf("/kept"))).toBeDefined();
  });

  it("has what undici confirms, whichever service has stored it", async () => {
    handler = ({ headers }, response) => {
      const isSame = headers["if-none-match"] === '"v1"';
      response.writeHead(isSame ? 304 : 200, { "cache-control": "no-cache, max-age=60", etag: '"v1"' });
      response.end(isSame ? undefined : "body");
    };
    for (const service of [0, 1]) {
      expect(await ask(service)).toBe("body");
      await mesh.cache.sync();
    }
    expect(requests.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, '"v1"']);
  });

  it.each([
    ["longer than it may be", 1_001, FRESH],
    [
      "with more tags than an entry may have",
      1,
      { ...FRESH, "surrogate-key": "a b c d e f g h i j k l m n o p" },
    ],
    ["that undici does not store", 1, { "cache-control": "no-store" }],
  ])("hands on a response %s", async (_name, length, headers) => {
    handler = (_request, response) => {
      response.writeHead(200, headers);
      response.end("x".repeat(length));
    };
    for (const _ of [1, 2]) expect(await ask(0)).toHaveLength(length);
    expect(requests).toHaveLength(2);
  });

  it("lets requests through while no cache can be reached", async () => {
    numbered(FRESH);
    await mesh.server.close();
    expect(await ask(0)).toBe("answer 1");
  });

  it.each([
    ["bodyMaxBytes", { bodyMaxBytes: -1 }],
    ["loadTimeoutMs", { loadTimeoutMs: 0 }],
  ])("refuses a wrong %s", (field, options) => {
    expect(() => createCacheStore({ cache: mesh.cache, ...options })).toThrow(field);
  });
});

/** What the proxy stores and serves, and what it says of it. */
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { numbered, startProxiedOrigin } from "./proxied-origin.ts";

describe("the proxy", () => {
  it("serves a fresh response from its memory, with its age, and another proxy from the cache of the mesh", async () => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=60" }), { count: 2 });
    const { ask, pass, requests } = proxied;
    const first = await ask("/a?b=1");
    expect(first).toMatchObject({ status: 200, body: "answer 1" });
    expect(first.headers["cache-status"]).toBe("meshcache; fwd=uri-miss; fwd-status=200; stored");
    await pass(10_000);
    const second = await ask("/a?b=1");
    expect(second).toMatchObject({ body: "answer 1", headers: { age: "10", "content-length": "8" } });
    expect(second.headers["cache-status"]).toBe("meshcache; hit; ttl=50; detail=near");
    const other = await ask("/a?b=1", { through: 1 });
    expect(other.headers["cache-status"]).toBe("meshcache; hit; ttl=50; detail=remote");
    expect(other.headers).toMatchObject({ date: first.headers.date, age: "10" });
    expect((await ask("/a?b=2")).body).toBe("answer 2");
    expect(requests).toHaveLength(2);
  });

  it("asks the origin again when the time of a response is over", async () => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=60" }));
    const { ask, pass } = proxied;
    await ask("/");
    await pass(60_000);
    expect((await ask("/")).body).toBe("answer 2");
    expect((await ask("/")).body).toBe("answer 2");
  });

  it.each([
    ["no-store", { "cache-control": "no-store, max-age=60" }],
    ["private", { "cache-control": "private, max-age=60" }],
    ["nothing that says for how long", {}],
    ["Vary: *", { "cache-control": "max-age=60", vary: "*" }],
    ["more tags than an entry may have", { "cache-control": "max-age=60", "surrogate-key": tags(16) }],
    ["a longer tag than there may be", { "cache-control": "max-age=60", "cache-tag": "t".repeat(129) }],
  ])("passes a response on and does not store it: %s", async (_name, headers) => {
    await using proxied = await startProxiedOrigin(numbered(headers));
    const { ask } = proxied;
    expect((await ask("/")).headers["cache-status"]).toMatch(
      /^meshcache; fwd=uri-miss; fwd-status=200(; stored)?$/,
    );
    const second = await ask("/");
    expect(second.body).toBe("answer 2");
    expect(second.headers["cache-status"]).toMatch(/^meshcache; fwd=miss/);
    expect((await ask("/")).body).toBe("answer 3");
  });

  it("stores a response after others of the same URL were not stored", async () => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "no-store" }));
    const { ask } = proxied;
    await ask("/");
    proxied.handler = numbered({ "cache-control": "max-age=60" });
    expect((await ask("/")).body).toBe("answer 1");
    expect((await ask("/")).body).toBe("answer 1");
  });

  it("keeps what the origin has compressed, and drops what is of the connection", async () => {
    const packed = gzipSync("hello");
    await using proxied = await startProxiedOrigin((_request, response) => {
      response.writeHead(200, {
        "cache-control": "max-age=60",
        "content-encoding": "gzip",
        connection: "close, x-hop",
        "x-hop": "1",
        "x-end": "2",
        "surrogate-key": "a b",
      });
      response.end(packed);
    });
    const { ask } = proxied;
    for (const _ of [1, 2]) {
      const { body, headers } = await ask("/");
      expect(gunzipSync(Buffer.from(body, "latin1")).toString()).toBe("hello");
      expect(headers).toMatchObject({ "content-encoding": "gzip", "x-end": "2" });
      expect(headers).not.toHaveProperty("x-hop");
      expect(headers).not.toHaveProperty("surrogate-key");
    }
    expect(proxied.requests).toHaveLength(1);
  });

  it("hands on bodies that are too long to be stored, as they come", async () => {
    const part = Buffer.alloc(64 * 1024, "x");
    await using proxied = await startProxiedOrigin(
      (_request, response) => {
        response.writeHead(200, { "cache-control": "max-age=60" });
        for (let index = 0; index < 32; index += 1) response.write(part);
        response.end();
      },
      { bodyMaxBytes: 100_000 },
    );
    for (const _ of [1, 2]) expect((await proxied.ask("/")).body).toHaveLength(32 * part.length);
    expect(proxied.requests).toHaveLength(2);
    expect(proxied.proxies[0]?.counts.notStored.too_long).toBe(2);
  });

  it("stores no body that broke off, and lets its client see that", async () => {
    await using proxied = await startProxiedOrigin((_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", "content-length": "10" });
      response.write("half", () => response.destroy());
    });
    await expect(proxied.ask("/")).rejects.toThrow();
    proxied.handler = numbered({ "cache-control": "max-age=60" });
    expect((await proxied.ask("/")).body).toBe("answer 1");
  });

  it("answers HEAD from a stored GET", async () => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=60" }));
    const { ask } = proxied;
    await ask("/");
    expect(await ask("/", { method: "HEAD" })).toMatchObject({
      status: 200,
      body: "",
      headers: { "content-length": "8", "cache-status": "meshcache; hit; ttl=60; detail=near" },
    });
    expect(proxied.requests).toHaveLength(1);
  });

  it("asks the origin once for many who want the same, in all proxies together", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using proxied = await startProxiedOrigin(
      (_request, response) => {
        void held.then(() => {
          response.writeHead(200, { "cache-control": "max-age=60" });
          response.end("one");
        });
      },
      { count: 2 },
    );
    const asking = Array.from({ length: 40 }, (_, index) => proxied.ask("/", { through: index % 2 }));
    await expect.poll(() => proxied.requests.length).toBe(1);
    release();
    for (const { body } of await Promise.all(asking)) expect(body).toBe("one");
    expect(proxied.requests).toHaveLength(1);
  });

  it("passes on what it cannot store while no cache can be reached", async () => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=60" }));
    await proxied.mesh.server.close();
    expect((await proxied.ask("/")).body).toBe("answer 1");
  });
});

function tags(count: number): string {
  return Array.from({ length: count }, (_, index) => `tag${index}`).join(" ");
}

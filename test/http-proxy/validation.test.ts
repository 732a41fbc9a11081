/** Stale responses: confirmed by their validators, served while the origin is asked or away, and the conditions of clients. */
import { describe, expect, it } from "vitest";
import { numbered, type OriginHandler, startProxiedOrigin } from "./proxied-origin.ts";

/** Confirms what has this entity tag, and says that in a header of the 304. */
function confirming(headers: Readonly<Record<string, string>>): OriginHandler {
  let count = 0;
  return ({ headers: asked }, response) => {
    count += 1;
    const isSame = asked["if-none-match"] === '"v1"';
    response.writeHead(isSame ? 304 : 200, { etag: '"v1"', "x-count": String(count), ...headers });
    response.end(isSame ? undefined : "body");
  };
}

const MODIFIED = "Wed, 01 Jan 2020 00:00:00 GMT";

describe("a stale response", () => {
  it("is confirmed by its validator, and has the headers of the confirmation then, for all proxies", async () => {
    await using proxied = await startProxiedOrigin(confirming({ "cache-control": "max-age=60" }), {
      count: 2,
    });
    const { ask, pass } = proxied;
    await ask("/");
    await pass(61_000);
    const confirmed = await ask("/");
    expect(confirmed).toMatchObject({ status: 200, body: "body", headers: { "x-count": "2", age: "0" } });
    expect(confirmed.headers["cache-status"]).toBe("meshcache; fwd=stale; fwd-status=304; stored");
    await pass(1_000);
    for (const through of [0, 1])
      expect(await ask("/", { through })).toMatchObject({
        body: "body",
        headers: { "x-count": "2", age: "1" },
      });
    expect(proxied.requests).toHaveLength(2);
  });

  it("is asked for again where a 304 has another strong validator: that is about something else", async () => {
    await using proxied = await startProxiedOrigin(confirming({ "cache-control": "max-age=60" }));
    const { ask, pass } = proxied;
    await ask("/");
    await pass(61_000);
    proxied.handler = ({ headers }, response) => {
      response.writeHead(headers["if-none-match"] === undefined ? 200 : 304, { etag: '"v2"' });
      response.end(headers["if-none-match"] === undefined ? "new" : undefined);
    };
    expect((await ask("/")).body).toBe("new");
  });

  it("with no-cache is confirmed before each use, also when a request would take it stale", async () => {
    await using proxied = await startProxiedOrigin(confirming({ "cache-control": "no-cache" }));
    const { ask } = proxied;
    for (const count of ["1", "2", "3"]) {
      const { headers, body } = await ask("/", { headers: { "cache-control": "max-stale=100" } });
      expect({ count: headers["x-count"], body }).toEqual({ count, body: "body" });
    }
  });

  it("with no-cache is confirmed for each of many requests at once, which do not wait for each other", async () => {
    await using proxied = await startProxiedOrigin(confirming({ "cache-control": "no-cache" }));
    const { ask, requests } = proxied;
    await ask("/");
    await proxied.mesh.cache.sync();
    const waiting: (() => void)[] = [];
    proxied.handler = (_request, response) => {
      waiting.push(() => response.writeHead(304, { etag: '"v1"', "cache-control": "no-cache" }).end());
    };
    const asking = Array.from({ length: 5 }, () => ask("/"));
    await expect.poll(() => waiting.length).toBe(5);
    for (const answer of waiting) answer();
    for (const { status, body } of await Promise.all(asking))
      expect({ status, body }).toEqual({ status: 200, body: "body" });
    expect(requests).toHaveLength(6);
  });

  it("is served at once while the origin is asked, within stale-while-revalidate", async () => {
    const headers = { "cache-control": "max-age=10, stale-while-revalidate=60" };
    await using proxied = await startProxiedOrigin(numbered(headers));
    const { ask, pass, requests, mesh } = proxied;
    await ask("/");
    await pass(15_000);
    const stale = await ask("/");
    expect(stale.body).toBe("answer 1");
    expect(stale.headers["cache-status"]).toBe("meshcache; hit; ttl=-5; detail=remote");
    await expect.poll(() => requests.length).toBe(2);
    await mesh.cache.sync();
    await expect.poll(async () => (await ask("/")).body).toBe("answer 2");
    await pass(71_000);
    expect((await ask("/")).body).toBe("answer 3");
  });

  it.each([
    ["is away", undefined, "max-age=10"],
    ["answers 503", 503, "max-age=10"],
    ["answers 500, and stale-if-error permits it", 500, "max-age=10, stale-if-error=60"],
  ])("is served when the origin %s", async (_name, status, cacheControl) => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": cacheControl }));
    const { ask, pass } = proxied;
    await ask("/");
    await pass(15_000);
    proxied.handler = (_request, response) => {
      if (status === undefined) response.destroy();
      else response.writeHead(status).end();
    };
    const stale = await ask("/");
    expect(stale).toMatchObject({ status: 200, body: "answer 1", headers: { age: "15" } });
    const answered = status === undefined ? "" : ` fwd-status=${status};`;
    expect(stale.headers["cache-status"]).toBe(`meshcache; fwd=stale;${answered} ttl=-5`);
  });

  it.each([
    ["must-revalidate", "max-age=10, must-revalidate", 503],
    ["proxy-revalidate", "max-age=10, proxy-revalidate", 503],
    ["s-maxage", "s-maxage=10", 503],
    ["a stale-if-error that is over", "max-age=10, stale-if-error=3", 503],
    ["a 500 without stale-if-error", "max-age=10", 500],
  ])("is not served when the origin fails: %s", async (_name, cacheControl, status) => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": cacheControl }));
    const { ask, pass } = proxied;
    await ask("/");
    await pass(15_000);
    proxied.handler = (_request, response) => response.writeHead(status).end();
    expect((await ask("/")).status).toBe(status);
  });
});

describe("a client that has a response", () => {
  it.each([
    ["its entity tag", { "if-none-match": 'W/"v1"' }],
    ["one of several entity tags", { "if-none-match": '"a", "v1"' }],
    ["any", { "if-none-match": "*" }],
    ["its date", { "if-modified-since": MODIFIED }],
  ])("gets a 304 by %s, from memory and for the request that fills it", async (_name, headers) => {
    await using proxied = await startProxiedOrigin(
      confirming({ "cache-control": "max-age=60", "last-modified": MODIFIED }),
    );
    for (const _ of [1, 2]) {
      const answered = await proxied.ask("/", { headers });
      expect(answered).toMatchObject({ status: 304, body: "", headers: { etag: '"v1"' } });
    }
    expect(proxied.requests).toHaveLength(1);
  });

  it("gets the whole where only its date is the same: the entity tag decides", async () => {
    const headers = { "cache-control": "max-age=60", "last-modified": MODIFIED };
    await using proxied = await startProxiedOrigin(confirming(headers));
    await proxied.ask("/");
    const asked = { "if-none-match": '"v0"', "if-modified-since": MODIFIED };
    expect(await proxied.ask("/", { headers: asked })).toMatchObject({ status: 200, body: "body" });
  });
});

describe("a request", () => {
  it.each([
    ["no-cache", { "cache-control": "no-cache" }],
    ["Pragma: no-cache", { pragma: "no-cache" }],
    ["max-age=0", { "cache-control": "max-age=0" }],
    ["a max-age that it is older than", { "cache-control": "max-age=5" }],
    ["min-fresh that it does not have", { "cache-control": "min-fresh=55" }],
    ["no-store", { "cache-control": "no-store" }],
  ])("goes to the origin although there is a fresh response: %s", async (_name, headers) => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=60" }));
    const { ask, pass } = proxied;
    await ask("/");
    await pass(10_000);
    const answered = await ask("/", { headers });
    expect(answered.body).toBe("answer 2");
    expect(answered.headers["cache-status"]).toContain("fwd=request");
  });

  it("that wants only what is cached gets a 504 without it", async () => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=60" }));
    const headers = { "cache-control": "only-if-cached" };
    expect((await proxied.ask("/", { headers })).status).toBe(504);
    await proxied.ask("/");
    expect((await proxied.ask("/", { headers })).body).toBe("answer 1");
  });

  it.each(["if-match", "if-unmodified-since"])(
    "whose condition is for the origin goes there: %s",
    async (name) => {
      await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=60" }));
      const { ask, requests } = proxied;
      await ask("/");
      const headers = { [name]: name === "if-match" ? '"v1"' : MODIFIED };
      expect((await ask("/", { headers })).body).toBe("answer 2");
      expect(requests[1]?.headers[name]).toBe(headers[name]);
      expect((await ask("/")).body).toBe("answer 1");
    },
  );

  it("takes a stale response by max-stale, as far as it says", async () => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=10" }));
    const { ask, pass } = proxied;
    await ask("/");
    await pass(15_000);
    expect((await ask("/", { headers: { "cache-control": "max-stale=10" } })).body).toBe("answer 1");
    expect((await ask("/", { headers: { "cache-control": "max-stale=2" } })).body).toBe("answer 2");
  });
});

/** Responses of one URL: by the headers that they vary by, by who has asked, and in parts. */
import { describe, expect, it } from "vitest";
import { numbered, startProxiedOrigin } from "./proxied-origin.ts";

const AT_ONCE = 50;

describe("Vary", () => {
  it("keeps each variant, and serves it to requests with the same headers alone", async () => {
    await using proxied = await startProxiedOrigin(({ headers }, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", vary: "X-Kind" });
      response.end(String(headers["x-kind"]));
    });
    const { ask, requests } = proxied;
    const kinds = [undefined, "a", "b"];
    for (const round of [1, 2])
      for (const kind of kinds) {
        const { body, headers } = await ask("/", { headers: kind === undefined ? {} : { "x-kind": kind } });
        expect(body).toBe(String(kind));
        if (round === 2) expect(headers["cache-status"]).toContain("; hit");
      }
    expect(requests).toHaveLength(3);
    expect((await ask("/", { headers: { "x-kind": "c" } })).headers["cache-status"]).toContain(
      "fwd=vary-miss",
    );
  });

  it("tells lines of a header from each other, and none of several is forgotten", async () => {
    await using proxied = await startProxiedOrigin(({ headers }, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", vary: "User-Agent" });
      response.end(headers["user-agent"]);
    });
    const { ask } = proxied;
    await ask("/", { headers: { "user-agent": "good" } });
    await ask("/", { headers: { "user-agent": ["good", "evil"] } });
    expect((await ask("/", { headers: { "user-agent": "good" } })).body).toBe("good");
    expect(proxied.requests).toHaveLength(2);
  });

  it.each([
    ["Accept-Language", "en, de", "DE ,  eN"],
    ["Accept-Encoding", "gzip;q=1, br", "br,gzip; q=1"],
    ["X-List", "1,2", " 1 , 2 "],
  ])("takes values of %s for the same that mean the same", async (name, one, other) => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=60", vary: name }));
    for (const value of [one, other])
      expect((await proxied.ask("/", { headers: { [name]: value } })).body).toBe("answer 1");
  });

  it("keeps no more variants of a URL than there are places for them", async () => {
    await using proxied = await startProxiedOrigin(({ headers }, response) => {
      response.writeHead(200, { "cache-control": "max-age=60", vary: "X-Kind" });
      response.end(headers["x-kind"]);
    });
    const { ask, mesh } = proxied;
    const askAs = async (kind: number) => {
      expect((await ask("/", { headers: { "x-kind": `kind ${kind}` } })).body).toBe(`kind ${kind}`);
    };
    for (let from = 0; from < 1_400; from += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => askAs(from + index)));
    const entries = mesh.server.store.shards().reduce((sum, shard) => sum + shard.entries, 0);
    expect(entries).toBeGreaterThan(500);
    expect(entries).toBeLessThanOrEqual(1_025);
    // Whoever has lost its place gets its own answer, and the place.
    for (let kind = 0; kind < 1_400; kind += AT_ONCE) await askAs(kind);
  }, 60_000);
});

describe("a request with Authorization", () => {
  it.each(["max-age=60", "private, max-age=60", "no-store"])(
    "is not answered to others: %s",
    async (cacheControl) => {
      await using proxied = await startProxiedOrigin(({ headers }, response) => {
        response.writeHead(200, { "cache-control": cacheControl });
        response.end(headers.authorization ?? "nobody");
      });
      const { ask } = proxied;
      for (const name of ["Ada", "Bob", "Ada"])
        expect((await ask("/", { headers: { authorization: name } })).body).toBe(name);
      expect((await ask("/")).body).toBe("nobody");
      expect((await ask("/", { headers: { authorization: "Ada" } })).body).toBe("Ada");
    },
  );

  it.each(["public, max-age=60", "s-maxage=60", "max-age=60, must-revalidate"])(
    "shares what the origin says that all may have: %s",
    async (cacheControl) => {
      await using proxied = await startProxiedOrigin(numbered({ "cache-control": cacheControl }));
      for (const headers of [{ authorization: "Ada" }, {}, { authorization: "Bob" }])
        expect((await proxied.ask("/", { headers })).body).toBe("answer 1");
    },
  );
});

describe("a range", () => {
  const whole = "0123456789";
  const start = () =>
    startProxiedOrigin(({ headers }, response) => {
      const range = headers.range !== undefined;
      response.writeHead(range ? 206 : 200, {
        "cache-control": "max-age=60",
        etag: '"v1"',
        ...(range && { "content-range": "bytes 0-1/10" }),
      });
      response.end(range ? "01" : whole);
    });

  it.each([
    ["bytes=0-1", 206, "01", "bytes 0-1/10"],
    ["bytes=8-", 206, "89", "bytes 8-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=5-100", 206, "56789", "bytes 5-9/10"],
    ["bytes=10-", 416, "", "bytes */10"],
    ["bytes=-0", 416, "", "bytes */10"],
    ["bytes=0-1,3-4", 200, whole, undefined],
    ["bytes=3-1", 200, whole, undefined],
    ["lines=0-1", 200, whole, undefined],
  ])("%s of a stored response is answered with %i", async (range, status, body, contentRange) => {
    await using proxied = await start();
    await proxied.ask("/");
    const answered = await proxied.ask("/", { headers: { range } });
    expect(answered).toMatchObject({ status, body });
    expect(answered.headers["content-range"]).toBe(contentRange);
    expect(proxied.requests).toHaveLength(1);
  });

  it("is answered with the whole where If-Range names another response", async () => {
    await using proxied = await start();
    await proxied.ask("/");
    const ask = (validator: string) =>
      proxied.ask("/", { headers: { range: "bytes=0-1", "if-range": validator } });
    expect((await ask('"v1"')).status).toBe(206);
    for (const validator of ['"v0"', 'W/"v1"', "Wed, 01 Jan 2020 00:00:00 GMT"])
      expect((await ask(validator)).status).toBe(200);
  });

  it("that is not stored comes from the origin, and is not taken for the whole", async () => {
    await using proxied = await start();
    const { ask } = proxied;
    for (const _ of [1, 2]) expect((await ask("/", { headers: { range: "bytes=0-1" } })).body).toBe("01");
    expect((await ask("/")).body).toBe(whole);
  });
});

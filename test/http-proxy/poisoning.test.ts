/** What somebody sends to have the wrong thing stored, or to be served what is of somebody else. */
import { describe, expect, it } from "vitest";
import { numbered, startProxiedOrigin } from "./proxied-origin.ts";
import { exchange, statusesIn } from "./raw-http.ts";

const FRESH = { "cache-control": "max-age=60" };

describe("a header that is in no key", () => {
  it.each([
    "X-Forwarded-Host",
    "X-Forwarded-Server",
    "X-Forwarded-Proto",
    "X-Forwarded-Scheme",
    "X-Forwarded-Prefix",
    "X-Forwarded-For",
    "Forwarded",
    "X-Host",
    "X-Original-URL",
    "X-Original-Host",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-HTTP-Host-Override",
    "X-Real-IP",
    "True-Client-IP",
    "Front-End-Https",
    "Surrogate-Capability",
  ])("does not reach the origin: %s", async (name) => {
    await using proxied = await startProxiedOrigin(({ headers }, response) => {
      response.writeHead(200, FRESH);
      response.end(JSON.stringify(headers));
    });
    expect((await proxied.ask("/", { headers: { [name]: "evil.example" } })).body).not.toContain("evil");
    expect((await proxied.ask("/")).body).not.toContain("evil");
  });

  it("such as the host decides nothing, and others than the proxy's own are refused", async () => {
    await using proxied = await startProxiedOrigin(
      ({ headers }, response) => {
        response.writeHead(200, FRESH);
        response.end(headers.host);
      },
      { hosts: ["shop.example"] },
    );
    const { ask, origin } = proxied;
    const own = new URL(origin).host;
    for (const host of ["shop.example", "SHOP.example.:8000", "127.0.0.1:1", "[::1]:80", "localhost"])
      expect(await ask("/", { headers: { host } })).toMatchObject({ status: 200, body: own });
    for (const host of [
      "evil.example",
      "shop.example.evil.example",
      "shop.example@evil",
      "a b",
      "shop.example:x",
    ])
      expect((await ask("/", { headers: { host } })).status).toBeGreaterThanOrEqual(400);
    expect(proxied.requests).toHaveLength(1);
  });

  it("that the client says is of the connection alone is not what a variant is kept under", async () => {
    await using proxied = await startProxiedOrigin(({ headers }, response) => {
      response.writeHead(200, { ...FRESH, vary: "X-Kind" });
      response.end(String(headers["x-kind"]));
    });
    const { ask } = proxied;
    const headers = { "x-kind": "a" };
    expect((await ask("/", { headers: { ...headers, connection: "close, x-kind" } })).body).toBe("undefined");
    expect((await ask("/", { headers })).body).toBe("a");
    expect((await ask("/")).body).toBe("undefined");
  });

  it("may be named as those that objects have", async () => {
    const names = ["__proto__", "constructor", "toString"];
    await using proxied = await startProxiedOrigin(numbered({ ...FRESH, vary: names.join(", ") }));
    for (const _ of [1, 2]) expect((await proxied.ask("/")).body).toBe("answer 1");
    expect((await proxied.ask("/", { headers: { constructor: "x" } })).body).toBe("answer 2");
  });

  it("credentials that the client says are of the connection alone still make a response private", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH));
    const headers = { authorization: "Bearer x", connection: "close, authorization" };
    await proxied.ask("/", { headers });
    expect((await proxied.ask("/")).body).toBe("answer 2");
  });

  it("the body of a GET is not, and neither is its answer stored", async () => {
    await using proxied = await startProxiedOrigin(({ body }, response) => {
      response.writeHead(200, FRESH);
      response.end(`for ${body}`);
    });
    const { ask } = proxied;
    expect((await ask("/", { body: "evil", headers: { "content-length": "4" } })).body).toBe("for evil");
    expect((await ask("/")).body).toBe("for ");
    expect((await ask("/", { body: "evil", headers: { "content-length": "4" } })).body).toBe("for evil");
  });
});

describe("a path", () => {
  it.each([
    ["/account/x.css", "/account"],
    ["/account;x.css", "/account"],
    ["/account%2Fx.css", "/account/x.css"],
    ["/account%00.css", "/account"],
    ["/static/..%2Faccount", "/account"],
    ["/static/../account", "/account"],
    ["//account", "/account"],
    ["/ACCOUNT", "/account"],
    ["/account?x.css", "/account"],
    ["/account%3Fx", "/account?x"],
    ["/account/.", "/account/"],
    ["/account\\x.css", "/account"],
  ])(
    "reaches the origin as it came, and is another key than the one it may mean: %s",
    async (path, other) => {
      await using proxied = await startProxiedOrigin(({ url }, response) => {
        response.writeHead(200, FRESH);
        response.end(url);
      });
      expect((await proxied.ask(other)).body).toBe(other);
      expect((await proxied.ask(path)).body).toBe(path);
      expect((await proxied.ask(path)).headers["cache-status"]).toContain("hit");
    },
  );

  it("that looks like a file makes nothing storable that its headers do not", async () => {
    const headers = { "last-modified": "Wed, 01 Jan 2020 00:00:00 GMT" };
    for (const more of [{}, { "set-cookie": "session=Ada" }, { "cache-control": "private" }]) {
      await using proxied = await startProxiedOrigin(({ headers: asked }, response) => {
        response.writeHead(200, { ...headers, ...more });
        response.end(`account of ${asked.cookie ?? "nobody"}`);
      });
      const answered = await proxied.ask("/account/x.css", { headers: { cookie: "Ada" } });
      expect(answered.body).toBe("account of Ada");
      expect((await proxied.ask("/account/x.css")).body).toBe("account of nobody");
    }
  });

  it.each([
    ["a fragment", "/a#b"],
    ["no slash", "a"],
    ["a star", "*"],
    ["bytes beyond ASCII", "/\xfc"],
  ])("is refused with %s", async (_name, target) => {
    await using proxied = await startProxiedOrigin((_request, response) => response.end());
    const text = `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    expect(statusesIn(await exchange(proxied.proxies[0]?.address ?? "", text, 1))).toEqual([400]);
    expect(proxied.requests).toEqual([]);
  });

  it("of a target with a host is taken, if the host is the proxy's", async () => {
    await using proxied = await startProxiedOrigin(({ url }, response) => response.end(url));
    const { address = "" } = proxied.proxies[0] ?? {};
    const get = (target: string) => exchange(address, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 1);
    expect(statusesIn(await get("http://localhost/a"))).toEqual([200]);
    expect(statusesIn(await get("http://evil.example/a"))).toEqual([421]);
    expect(proxied.requests.map(({ url }) => url)).toEqual(["/a"]);
  });
});

describe("a request that goes round", () => {
  it("is ended when the origin leads back to the proxy", async () => {
    await using proxied = await startProxiedOrigin(() => {});
    const headers = { via: Array(5).fill("1.1 meshcache").join(", ") };
    expect((await proxied.ask("/", { headers })).status).toBe(508);
  });

  it.each(["TRACE", "CONNECT"])("is refused: %s", async (method) => {
    await using proxied = await startProxiedOrigin(() => {});
    const text = `${method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const received = await exchange(proxied.proxies[0]?.address ?? "", text);
    expect(statusesIn(received)).toEqual(method === "TRACE" ? [405] : []);
    expect(proxied.requests).toEqual([]);
  });
});

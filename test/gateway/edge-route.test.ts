/** The REST face: entries as resources, with entity tags, conditions and lifetimes, held to the limits of any other call. */
import { request as httpRequest } from "node:http";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CacheServer, createServer } from "../../src/server/index.ts";

let server: CacheServer;
let url: string;
beforeAll(async () => {
  server = createServer({ listen: "127.0.0.1:0", http: { listen: "127.0.0.1:0" } });
  await server.start();
  url = `http://${server.httpAddress}`;
});
afterAll(() => server.close());

async function send(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
  const response = await fetch(`${url}/v1/${path}`, { method, headers, ...(body !== undefined && { body }) });
  return { status: response.status, headers: response.headers, body: await response.text() };
}

const JSON_TYPE = { "content-type": "application/json" };

describe("the REST face", () => {
  it("keeps a value as it was put, with its type, its tags and its lifetime", async () => {
    const value = '{ "größe": 1 }';
    const put = await send(
      "PUT",
      "users/1",
      { ...JSON_TYPE, "meshcache-ttl-ms": "60000", "meshcache-tags": "team, a%2Cb" },
      value,
    );
    expect([put.status, put.body]).toEqual([204, ""]);
    const got = await send("GET", "users/1");
    expect([got.status, got.body]).toEqual([200, value]);
    expect(Object.fromEntries(got.headers)).toMatchObject({
      "content-type": "application/json",
      "cache-control": "no-cache",
      etag: put.headers.get("etag"),
      age: "0",
      "meshcache-tags": "team, a%2Cb",
    });
    expect(Number(got.headers.get("meshcache-ttl-ms"))).toBeLessThanOrEqual(60_000);
    const head = await send("HEAD", "users/1");
    expect([head.status, head.body, head.headers.get("etag")]).toEqual([200, "", got.headers.get("etag")]);
  });

  it("serves a compressed value as it was put, to who takes its coding", async () => {
    const plain = '{"name":"Ada"}';
    const zipped = gzipSync(plain);
    const put = await fetch(`${url}/v1/users/zipped`, {
      method: "PUT",
      headers: { ...JSON_TYPE, "content-encoding": " GZIP" },
      body: zipped,
    });
    expect(put.status).toBe(204);
    const stored = server.store.inspect("users", "zipped").entry?.view;
    expect([stored?.contentEncoding, Buffer.from(stored?.value ?? [])]).toEqual(["gzip", zipped]);
    const got = await send("GET", "users/zipped");
    expect([got.status, got.body]).toEqual([200, plain]);
    expect(got.headers.get("content-encoding")).toBe("gzip");
    for (const taken of ["br, GZIP;q=0.5", "*", "gzip", "*;q=0, gzip"]) {
      expect((await send("GET", "users/zipped", { "accept-encoding": taken })).status).toBe(200);
    }
    for (const taken of ["br", "gzip;q=0", "*, gzip;q=0.0", "identity", "gzip;q=2", "gzip;x=1"]) {
      const refused = await send("GET", "users/zipped", { "accept-encoding": taken });
      expect([refused.status, refused.body]).toEqual([406, ""]);
      expect(refused.headers.get("meshcache-content-encoding")).toBe("gzip");
      expect(refused.headers.get("vary")).toBe("Accept-Encoding");
    }
    const known = { "if-none-match": got.headers.get("etag") ?? "", "accept-encoding": "br" };
    expect((await send("GET", "users/zipped", known)).status).toBe(304);
  });

  it("takes identity for no coding, and holds a coding to its name", async () => {
    expect((await send("PUT", "users/id", { "content-encoding": "identity" }, "v")).status).toBe(204);
    expect((await send("GET", "users/id", { "accept-encoding": "br" })).headers.get("vary")).toBeNull();
    const refused = await send("PUT", "users/two", { "content-encoding": "gzip, br" }, "v");
    expect([refused.status, JSON.parse(refused.body).message]).toEqual([
      400,
      expect.stringMatching(/^content_encoding must be/),
    ]);
  });

  it("answers 304 to who has it, and 404 of what is not there", async () => {
    const put = await send("PUT", "users/2", {}, "v");
    const etag = put.headers.get("etag") ?? "";
    expect((await send("GET", "users/2", { "if-none-match": `"x", ${etag}` })).status).toBe(304);
    expect((await send("GET", "users/2", { "if-none-match": '"x"' })).status).toBe(200);
    expect((await send("DELETE", "users/2")).status).toBe(204);
    expect((await send("GET", "users/2", { "if-none-match": etag })).status).toBe(404);
  });

  it("stores under a condition alone, where there is one", async () => {
    const first = await send("PUT", "users/3", { "if-none-match": "*" }, "a");
    expect(first.status).toBe(204);
    expect((await send("PUT", "users/3", { "if-none-match": "*" }, "b")).status).toBe(412);
    const etag = first.headers.get("etag") ?? "";
    expect((await send("PUT", "users/3", { "if-match": etag }, "b")).status).toBe(204);
    expect((await send("PUT", "users/3", { "if-match": etag }, "c")).status).toBe(412);
    expect((await send("PUT", "users/none", { "if-match": "*" }, "c")).status).toBe(412);
    expect((await send("GET", "users/3")).body).toBe("b");
  });

  it("takes keys with slashes, and with all that is percent-encoded", async () => {
    await send("PUT", "users/a/b/%C3%A4%2F", {}, "v");
    expect(server.store.inspect("users", "a/b/ä/").entry?.state).toBe("fresh");
    expect((await send("GET", "users/a/b/%C3%A4%2F")).body).toBe("v");
  });

  it.each([
    ["PUT", "users/4", JSON_TYPE, '{"a": canary-9}', "value must be JSON, and is none from byte 6 on"],
    [
      "PUT",
      "users/4",
      { "meshcache-ttl-ms": "60s" },
      "v",
      "meshcache-ttl-ms must be a whole number of milliseconds",
    ],
    [
      "PUT",
      "users/4",
      { "if-match": "canary-9" },
      "v",
      'if-match must be "*", or one entity tag that a GET had',
    ],
    ["DELETE", "users/4", { "if-match": "*" }, undefined, "if-match must be left out of a DELETE"],
    ["GET", "users/%ff", {}, undefined, "key must be percent-encoded UTF-8"],
    ["GET", "Users/4", {}, undefined, expect.stringMatching(/^namespace must be/)],
  ])("refuses by name, and repeats nothing: %s %s %j", async (method, path, headers, body, message) => {
    const refused = await send(method, path, { ...headers }, body);
    expect([refused.status, JSON.parse(refused.body)]).toEqual([400, { code: "invalid_argument", message }]);
    expect(server.store.inspect("users", "4").entry).toBeUndefined();
  });

  it("names its verbs, and no other path", async () => {
    const refused = await send("PATCH", "users/1");
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD, PUT, DELETE"]);
    expect((await send("GET", "users")).status).toBe(404);
  });

  it("says that a value is run by no browser, whatever its type", async () => {
    await send("PUT", "users/page", { "content-type": "text/html" }, "<script>alert(1)</script>");
    const { headers } = await send("GET", "users/page");
    expect(headers.get("content-security-policy")).toContain("sandbox");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  it("takes no value that is larger than the server takes messages", async () => {
    const { port } = new URL(url);
    const put = () =>
      new Promise<string>((resolve, reject) => {
        const headers = { "content-length": String(64 * 1024 * 1024) };
        const sent = httpRequest({ port, method: "PUT", path: "/v1/users/large", headers }, (response) => {
          text(response)
            .then((body) => resolve(`${response.statusCode} ${body}`), reject)
            .finally(() => sent.destroy());
        });
        sent.on("error", reject);
        sent.write(Buffer.alloc(6 * 1024 * 1024));
      });
    // Where the refusal meets what is on its way differs each time.
    for (let round = 0; round < 20; round++) expect(await put()).toMatch(/^429 .*receive_max_bytes/);
  });
});

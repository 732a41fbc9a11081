/** The services over HTTP/1.1: what a plain HTTP client sends and gets, and that it is held to what a gRPC client is held to. */

import { createHash } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterEach, describe, expect, it } from "vitest";
import { GetRequestSchema, GetResponseSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { type ServedGateway, type ServedGatewayOptions, serveGateway } from "../support/served-gateway.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
});

async function start(options: ServedGatewayOptions = {}): Promise<ServedGateway> {
  const served = await serveGateway(options);
  undo.push(() => served.close());
  return served;
}

const JSON_TYPE = { "content-type": "application/json" };

async function call(
  { url }: ServedGateway,
  method: string,
  body: unknown,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${url}/meshcache.v1.${method}`, {
    method: "POST",
    headers: { ...JSON_TYPE, ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: toObject(await response.json()) };
}

/** What a test expects of an answer says what is in it. */
interface Answer {
  readonly [name: string]: unknown;
  readonly code?: string;
  readonly message?: string;
  readonly hit?: { readonly value?: string };
  readonly stamps?: readonly unknown[];
  readonly results?: readonly unknown[];
  readonly details?: readonly unknown[];
  readonly subscribers?: string;
  readonly events?: { readonly events: readonly unknown[] };
}

function toObject(json: unknown): Answer {
  if (typeof json !== "object" || json === null) throw new Error("not an object");
  return { ...json };
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const key = { namespace: "users", key: "1" };

describe("a unary call with JSON", () => {
  it("sets, gets and invalidates", async () => {
    const served = await start();
    expect(await call(served, "CacheService/Get", key)).toMatchObject({ status: 200, body: { miss: {} } });
    const set = await call(served, "CacheService/Set", {
      ...key,
      value: base64("Ada"),
      ttlMs: "60000",
      tags: ["t"],
    });
    expect(set.body).toMatchObject({ stored: { version: "1" } });
    const got = await call(served, "CacheService/Get", key);
    expect(got.body.hit).toMatchObject({ value: base64("Ada"), version: "1", tags: ["t"] });
    const invalidated = await call(served, "CacheService/Invalidate", {
      namespace: "users",
      keys: { keys: ["1"] },
    });
    expect(invalidated.body.stamps).toHaveLength(1);
    expect((await call(served, "CacheService/Get", key)).body).toMatchObject({ miss: {} });
  });

  it("runs the operations of a batch, and answers each", async () => {
    const served = await start();
    const { body } = await call(served, "CacheService/Batch", {
      namespace: "users",
      operations: [{ set: { key: "1", value: base64("v") } }, { get: { key: "1" } }, { get: { key: "" } }],
    });
    expect(body.results).toMatchObject([
      { set: { stored: {} } },
      { get: { hit: { value: base64("v") } } },
      { error: { code: 3 } },
    ]);
  });

  it("takes and gives binary messages too", async () => {
    const served = await start();
    const response = await fetch(`${served.url}/meshcache.v1.CacheService/Get`, {
      method: "POST",
      headers: { "content-type": "application/proto" },
      body: toBinary(GetRequestSchema, create(GetRequestSchema, key)),
    });
    expect(response.headers.get("content-type")).toBe("application/proto");
    const message = fromBinary(GetResponseSchema, new Uint8Array(await response.arrayBuffer()));
    expect(message.outcome.case).toBe("miss");
  });

  it("answers errors with their reason and field, as HTTP statuses and as details", async () => {
    const served = await start();
    const { status, body } = await call(served, "CacheService/Get", { namespace: "users" });
    expect([status, body.code]).toEqual([400, "invalid_argument"]);
    expect(body.message).toMatch(/^key must be/);
    expect(body.details?.[0]).toMatchObject({ type: "google.rpc.ErrorInfo" });
  });

  it("leaves an operation that waits when its deadline has passed", async () => {
    const served = await start();
    await call(served, "CacheService/Lease", { ...key, leaseMs: 10_000 });
    const waiting = await call(
      served,
      "CacheService/Lease",
      { ...key, waitMs: 10_000 },
      { "connect-timeout-ms": "50" },
    );
    expect([waiting.status, waiting.body.code]).toEqual([504, "deadline_exceeded"]);
  });

  it("takes a longest timeout as no timeout of its own", async () => {
    const served = await start();
    const { status } = await call(served, "CacheService/Get", key, { "connect-timeout-ms": "9999999999" });
    expect(status).toBe(200);
  });
});

describe("a request that is none", () => {
  it.each([
    ['{"namespace": "users", "key": canary-7 }', "message must be JSON, and is none from byte 30 on"],
    ['{"namespace": "users", "key": {"canary-7": 1}}', "key must be a value of its type in protobuf's JSON"],
    ['["canary-7"]', "message must be one that its method takes"],
  ])("is refused without repeating it: %s", async (text, message) => {
    const served = await start();
    const { status, body } = await call(served, "CacheService/Get", text);
    expect({ status, code: body.code, message: body.message }).toEqual({
      status: 400,
      code: "invalid_argument",
      message,
    });
    expect(JSON.stringify(body)).not.toContain("canary");
  });

  it("is refused for more values than a request may have, before they are made", async () => {
    const served = await start();
    const operations = `[${Array.from({ length: 60_000 }, () => "{}").join(",")}]`;
    const { status, body } = await call(served, "CacheService/Batch", `{"operations":${operations}}`);
    expect([status, body.code]).toEqual([429, "resource_exhausted"]);
    expect(body.message).toMatch(/^request_fields is limited to/);
  });

  it("is refused for its size", async () => {
    const served = await start({
      limits: { valueMaxBytes: 1_024, batchMaxBytes: 4_096, receiveMaxBytes: 8_192 },
    });
    const { status, body } = await call(served, "CacheService/Get", { ...key, padding: "x".repeat(9_000) });
    expect([status, body.message]).toEqual([429, "receive_max_bytes is limited to 8192"]);
  });

  it("gets 404 for another path, 405 for another verb and 415 for another type", async () => {
    const { url } = await start();
    const statusOf = async (path: string, init: RequestInit) => (await fetch(url + path, init)).status;
    expect(await statusOf("/meshcache.v1.CacheService/Nothing", { method: "POST" })).toBe(404);
    expect(await statusOf("/meshcache.v1.CacheService/Set", { method: "GET" })).toBe(405);
    expect(
      await statusOf("/meshcache.v1.CacheService/Set", {
        method: "POST",
        headers: { "content-type": "text/html" },
      }),
    ).toBe(415);
  });

  it("is refused when it is compressed: nothing is unpacked", async () => {
    const { url } = await start();
    const response = await fetch(`${url}/meshcache.v1.CacheService/Get`, {
      method: "POST",
      headers: { ...JSON_TYPE, "content-encoding": "gzip" },
      body: "x",
    });
    expect(response.status).toBe(501);
  });

  it("leaves the connection to the next request", async () => {
    const { url } = await start({
      limits: { valueMaxBytes: 1_024, batchMaxBytes: 4_096, receiveMaxBytes: 8_192 },
    });
    const statuses = await new Promise<number[]>((resolve, reject) => {
      const seen: number[] = [];
      const { port } = new URL(url);
      const send = (body: string, then: () => void) => {
        const sent = httpRequest(
          {
            port,
            method: "POST",
            path: "/meshcache.v1.CacheService/Get",
            headers: { ...JSON_TYPE, connection: "keep-alive" },
          },
          (response) => {
            seen.push(response.statusCode ?? 0);
            response.resume().on("end", then);
          },
        );
        sent.on("error", reject).end(body);
      };
      send("x".repeat(100_000), () => send(JSON.stringify(key), () => resolve(seen)));
    });
    expect(statuses).toEqual([429, 200]);
  });
});

describe("Get as an HTTP GET", () => {
  const pathOf = (message: object) =>
    `/meshcache.v1.CacheService/Get?connect=v1&encoding=json&message=${encodeURIComponent(JSON.stringify(message))}`;

  it("has an entity tag that a later GET may name, and must be asked for each time", async () => {
    const served = await start();
    await call(served, "CacheService/Set", { ...key, value: base64("v") });
    const first = await fetch(served.url + pathOf(key));
    const tag = first.headers.get("etag") ?? "";
    expect([first.status, first.headers.get("cache-control")]).toEqual([200, "no-cache"]);
    expect(toObject(await first.json()).hit?.value).toBe(base64("v"));
    const again = await fetch(served.url + pathOf(key), { headers: { "if-none-match": tag } });
    expect([again.status, await again.text(), again.headers.get("etag")]).toEqual([304, "", tag]);
    await call(served, "CacheService/Set", { ...key, value: base64("w") });
    const changed = await fetch(served.url + pathOf(key), { headers: { "if-none-match": tag } });
    expect(changed.status).toBe(200);
  });

  it("of a miss is kept by nobody", async () => {
    const served = await start();
    const missed = await fetch(served.url + pathOf(key));
    expect([missed.status, missed.headers.get("etag"), missed.headers.get("cache-control")]).toEqual([
      200,
      null,
      "no-store",
    ]);
  });
});

describe("Stream", () => {
  it("is a stream of envelopes, and ends when its reader leaves", async () => {
    const served = await start();
    const leave = new AbortController();
    const body = Buffer.from(JSON.stringify({ namespace: "users" }));
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    const response = await fetch(`${served.url}/meshcache.v1.CacheService/Stream`, {
      method: "POST",
      headers: { "content-type": "application/connect+json" },
      body: Buffer.concat([head, body]),
      signal: leave.signal,
    });
    const frames = framesOf(response);
    expect((await frames.next()).value).toMatchObject({ opened: { epoch: served.store.epoch.toString() } });
    await call(served, "CacheService/Set", { ...key, value: base64("v") });
    for (;;) {
      const { value } = await frames.next();
      if (value?.events === undefined) continue;
      expect(value.events.events).toMatchObject([{ kind: "KIND_SET", key: "1" }]);
      break;
    }
    leave.abort();
    for (;;) {
      const { body: stats } = await call(served, "AdminService/Stats", {});
      if (stats.subscribers === undefined || stats.subscribers === "0") break;
    }
  });
});

describe("identity and permission", () => {
  async function withTokens(): Promise<ServedGateway> {
    const folder = mkdtempSync(join(tmpdir(), "gateway-"));
    const tokens = join(folder, "tokens");
    const policy = join(folder, "policy.yaml");
    writeFileSync(tokens, `reader ${createHash("sha256").update("secret-r").digest("hex")}\n`);
    writeFileSync(
      policy,
      "principals:\n  - name: reader\n    match: [token:reader]\n    allow:\n      - namespaces: [users]\n        may: [read]\n",
    );
    return start({ security: { tokens, policy } });
  }

  it("is asked of every call", async () => {
    const served = await withTokens();
    expect(await call(served, "CacheService/Get", key)).toMatchObject({
      status: 401,
      body: { code: "unauthenticated" },
    });
    const bearer = { authorization: "Bearer secret-r" };
    expect((await call(served, "CacheService/Get", key, bearer)).status).toBe(200);
    expect(await call(served, "CacheService/Set", { ...key, value: "" }, bearer)).toMatchObject({
      status: 403,
    });
    expect(await call(served, "AdminService/Stats", {}, bearer)).toMatchObject({ status: 403 });
    expect((await call(served, "AdminService/DescribeCaller", {}, bearer)).body).toMatchObject({
      principal: "token:reader",
      permissionsSomewhere: ["read"],
    });
  });
});

describe("a gateway that changes nothing", () => {
  it("reads, and refuses to write before it reads the request", async () => {
    const served = await start({ gateway: { anonymousWrites: false } });
    expect((await call(served, "CacheService/Get", key)).status).toBe(200);
    expect((await call(served, "AdminService/DescribeCaller", {})).body).toMatchObject({ readOnly: true });
    for (const method of ["Set", "Invalidate", "Touch", "Lease", "Batch"]) {
      expect(await call(served, `CacheService/${method}`, "not JSON")).toMatchObject({
        status: 403,
        body: { code: "permission_denied" },
      });
    }
  });

  it("answers nobody beyond loopback without an identity", async () => {
    const { url } = await start({ gateway: { host: "0.0.0.0" } });
    const response = await fetch(`${url}/meshcache.v1.CacheService/Get`, {
      method: "POST",
      headers: JSON_TYPE,
      body: "{}",
    });
    expect(response.status).toBe(403);
  });
});

describe("callers without an identity beyond loopback", () => {
  it("are answered where the operator says so, and change nothing all the same", async () => {
    const gateway = { host: "0.0.0.0", anonymousBeyondLoopback: true, anonymousWrites: false };
    const served = await start({ gateway });
    expect((await call(served, "CacheService/Get", key)).status).toBe(200);
    expect((await call(served, "CacheService/Set", key)).status).toBe(403);
  });
});

describe("pages of other origins", () => {
  it("are refused, whatever they ask", async () => {
    const served = await start();
    const { url } = served;
    const from = (origin: string) =>
      fetch(`${url}/meshcache.v1.CacheService/Set`, {
        method: "POST",
        headers: { ...JSON_TYPE, origin },
        body: JSON.stringify({ ...key, value: "" }),
      });
    expect((await from("https://evil.example")).status).toBe(403);
    expect((await from("null")).status).toBe(403);
    expect((await from(url)).status).toBe(200);
    expect(served.store.counters.sets).toBe(1);
  });
});

async function* framesOf(response: Response) {
  let rest = Buffer.alloc(0);
  for await (const chunk of response.body ?? []) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      yield toObject(JSON.parse(rest.subarray(5, end).toString()));
      rest = rest.subarray(end);
    }
  }
}

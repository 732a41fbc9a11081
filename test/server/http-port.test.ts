/** The HTTP port of a server: who may reach it under which name, from which page, over TLS, on several workers, and its end. */
import { request as httpRequest } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { isHttpPortError } from "../../src/server/http-port.ts";
import { createServer, type ServerOptions } from "../../src/server/index.ts";
import { createServerThreads } from "../../src/server/workers/index.ts";
import { CALM } from "../support/test-workers.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const one of undo.splice(0).reverse()) await one();
});

async function start(options: Partial<ServerOptions> = {}): Promise<string> {
  const server = createServer({ listen: "127.0.0.1:0", http: { listen: "127.0.0.1:0" }, ...options });
  undo.push(() => server.close());
  await server.start();
  return `http://${server.httpAddress}`;
}

const GET = "/meshcache.v1.CacheService/Get";
const JSON_TYPE = { "content-type": "application/json" };
const body = JSON.stringify({ namespace: "users", key: "1" });

/** By node:http, since fetch sets some headers itself. */
function send(
  url: string,
  headers: Record<string, string>,
  method = "POST",
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(url, { method, headers, agent: false }, (response) => {
      text(response).then(
        (answer) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: answer }),
        reject,
      );
    });
    sent.on("error", reject);
    sent.end(method === "POST" ? body : undefined);
  });
}

describe("the HTTP port", () => {
  it("serves the services, and lists its callers among the clients", async () => {
    const url = await start();
    expect((await send(url + GET, JSON_TYPE)).status).toBe(200);
    const clients = await send(`${url}/meshcache.v1.AdminService/ListClients`, JSON_TYPE);
    expect(JSON.parse(clients.body)).toMatchObject({
      total: "1",
      clients: [{ openCalls: 1, operations: "1" }],
    });
    expect((await send(`${url}/console/`, {}, "GET")).status).toBe(404);
  });

  it("is asked under its names alone", async () => {
    const url = await start({ http: { listen: "127.0.0.1:0", hosts: "cache.example" } });
    const statusOf = async (host: string) => (await send(url + GET, { ...JSON_TYPE, host })).status;
    expect(await Promise.all(["cache.example", "evil.example", "localhost:80"].map(statusOf))).toEqual([
      200, 421, 200,
    ]);
  });

  it("answers pages of the origins that are named, and lets browsers ask first", async () => {
    const shop = "https://shop.example";
    const url = await start({ http: { listen: "127.0.0.1:0", origins: [shop] } });
    const preflight = await send(
      url + GET,
      { origin: shop, "access-control-request-method": "POST" },
      "OPTIONS",
    );
    expect(preflight).toMatchObject({ status: 204, headers: { "access-control-allow-origin": shop } });
    expect(preflight.headers["access-control-allow-headers"]).toContain("authorization");
    const answer = await send(url + GET, { ...JSON_TYPE, origin: shop });
    expect(answer).toMatchObject({
      status: 200,
      headers: { "access-control-allow-origin": shop, vary: "Origin" },
    });
    const foreign = await send(url + GET, { ...JSON_TYPE, origin: "https://evil.example" });
    expect([foreign.status, foreign.headers["access-control-allow-origin"]]).toEqual([403, undefined]);
  });

  it("lets such pages read what the answers say of an entry", async () => {
    const shop = "https://shop.example";
    const url = await start({ http: { listen: "127.0.0.1:0", origins: [shop] } });
    const { headers } = await send(`${url}/v1/users/1`, { origin: shop }, "GET");
    expect(String(headers["access-control-expose-headers"]).split(", ")).toEqual(
      expect.arrayContaining([
        "etag",
        "meshcache-absent",
        "meshcache-content-encoding",
        "meshcache-stale",
        "meshcache-tags",
        "meshcache-ttl-ms",
      ]),
    );
  });

  it("ends a request that does not come", async () => {
    const url = await start({ transport: { halfCloseMaxMs: 100 } });
    const status = await new Promise<number>((resolve, reject) => {
      const sent = httpRequest(
        url + GET,
        { method: "POST", headers: { ...JSON_TYPE, "content-length": "100" } },
        (response) => {
          resolve(response.statusCode ?? 0);
          sent.destroy();
        },
      );
      sent.on("error", reject);
      sent.write("{");
    });
    expect(status).toBe(504);
  });

  it("takes no more connections than the server may have", async () => {
    const url = await start({ transport: { connectionsMax: 1 } });
    const { hostname, port } = new URL(url);
    const held = httpRequest({
      hostname,
      port,
      method: "POST",
      path: GET,
      headers: { ...JSON_TYPE, "content-length": "100" },
    });
    held.on("error", () => {});
    held.write("{");
    await new Promise((resolve) => held.once("socket", (socket) => socket.once("connect", resolve)));
    await expect(send(url + GET, JSON_TYPE)).rejects.toThrow();
    held.destroy();
  });

  it("names itself when it cannot listen, and leaves no other port open", async () => {
    const taken = createTcpServer().listen(0, "127.0.0.1");
    undo.push(() => taken.close());
    await new Promise((resolve) => taken.once("listening", resolve));
    const address = taken.address();
    if (address === null || typeof address === "string") throw new Error("not a TCP address");
    const { port } = address;
    const server = createServer({ listen: "127.0.0.1:0", http: { listen: `127.0.0.1:${port}` } });
    const error = await server.start().catch((reason: unknown) => reason);
    expect([isHttpPortError(error), error]).toMatchObject([true, { code: "EADDRINUSE" }]);
    await server.close();
  });

  it("is refused beyond loopback like the gRPC port", () => {
    const exposed = () => createServer({ listen: "127.0.0.1:0", http: { listen: "0.0.0.0:0" } });
    expect(exposed).toThrow(/loopback/);
  });

  it("is one port of all workers", async () => {
    const threads = createServerThreads({
      workers: 2,
      listen: "127.0.0.1:0",
      http: { listen: "127.0.0.1:0" },
      transport: CALM,
    });
    undo.push(() => threads.close());
    await threads.start();
    const url = `http://${threads.httpAddress}`;
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(url + GET, JSON_TYPE)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });

  it("drains: each connection ends with its request", async () => {
    const server = createServer({ listen: "127.0.0.1:0", http: { listen: "127.0.0.1:0" } });
    undo.push(() => server.close());
    await server.start();
    const url = `http://${server.httpAddress}`;
    expect((await fetch(url + GET, { method: "POST", headers: JSON_TYPE, body })).status).toBe(200);
    await server.drain();
    await expect(send(url + GET, JSON_TYPE)).rejects.toThrow();
  });
});

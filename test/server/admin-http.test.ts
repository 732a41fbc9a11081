import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdminGateway } from "../../src/server/admin-gateway.ts";
import { type AdminHttp, startAdminHttp } from "../../src/server/admin-http.ts";
import type { Logger } from "../../src/telemetry/telemetry.ts";
import { eventually } from "../support/eventually.ts";

const CONNECTIONS_MAX = 16;
const errors: string[] = [];
const logger: Logger = {
  info: () => {},
  warn: () => {},
  error: (_fields, message) => void errors.push(message),
};

/** Answers with the path and the size of the body. */
const echo: AdminGateway = {
  serve(request, response) {
    if (request.url === "/console/nothing") return false;
    void buffer(request).then(({ length }) => response.end(`${request.url} ${length}`));
    return true;
  },
  checkStreams() {},
  close() {},
};
let ready = true;
let metricsText: () => Promise<string>;
let admin: AdminHttp;

beforeEach(async () => {
  ready = true;
  errors.length = 0;
  metricsText = async () => "meshcache_entries 1\n";
  admin = await startAdminHttp({
    host: "127.0.0.1",
    port: 0,
    hosts: "cache.example,*.shop.svc",
    connectionsMax: CONNECTIONS_MAX,
    metricsText: () => metricsText(),
    ready: () => ready,
    logger,
    tls: undefined,
    gateway: echo,
  });
});
afterEach(() => admin.close());

const request = async (path: string, init?: RequestInit) => {
  const response = await fetch(`http://127.0.0.1:${admin.port}${path}`, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
};

describe("the admin port", () => {
  it("serves metrics in the Prometheus text format", async () => {
    const { status, headers, text } = await request("/metrics");
    expect([status, text]).toEqual([200, "meshcache_entries 1\n"]);
    expect(headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  });

  it("is live but not ready while the server drains", async () => {
    expect((await request("/readyz")).status).toBe(200);
    ready = false;
    expect(await request("/readyz")).toMatchObject({ status: 503, text: "draining\n" });
    expect(await request("/healthz")).toMatchObject({ status: 200, text: "ok\n" });
  });

  it("hands over the requests of the console whole, and no other", async () => {
    const body = "x".repeat(4_096);
    const headers = { "content-type": "application/json" };
    const path = "/meshcache.v1.AdminService/Stats";
    expect(await request(path, { method: "POST", body, headers })).toMatchObject({
      status: 200,
      text: `${path} 4096`,
    });
    expect(await request("/console/")).toMatchObject({ status: 200, text: "/console/ 0" });
    expect((await request("/console/nothing")).status).toBe(404);
    expect((await request("/meshcache.v1.Other/Stats", { method: "POST" })).status).toBe(404);
    expect(errors).toEqual([]);
  });

  it("lists its paths, and names no software", async () => {
    const { text, headers } = await request("/");
    for (const path of ["/metrics", "/healthz", "/readyz", "/console/"]) expect(text).toContain(path);
    expect(headers.get("server")).toBeNull();
    expect(headers.get("x-powered-by")).toBeNull();
  });

  it.each([
    ["an unknown path", "/canary", {}, 404],
    ["an undecodable path", "/%zzcanary", {}, 400],
    ["an unknown method", "/metrics", { method: "POST", body: "canary" }, 404],
    ["a body over 1 KiB", "/", { method: "POST", body: "canary".repeat(1_000) }, 413],
  ])("answers %s without repeating it", async (_name, path, init, status) => {
    const answer = await request(path, init);
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain("canary");
  });

  it("does not answer why metrics failed, logs it, and goes on", async () => {
    metricsText = () => Promise.reject(new Error("canary"));
    expect(await request("/metrics")).toMatchObject({ status: 500, text: "internal error\n" });
    expect(errors).toEqual(["an admin request failed"]);
    metricsText = async () => "";
    expect((await request("/metrics")).status).toBe(200);
  });

  it("closes open connections, also in the middle of a request", async () => {
    const idle = connect(admin.port, "127.0.0.1");
    const closed = new Promise((resolve) => idle.once("close", resolve));
    await new Promise((resolve) => idle.once("connect", resolve));
    idle.write("GET /metrics HTTP/1.1\r\nhost: x\r\n");
    idle.on("error", () => {});
    await request("/healthz");
    await admin.close();
    await closed;
  });

  it("rejects when its address is in use", async () => {
    const { port } = admin;
    const options = {
      host: "127.0.0.1",
      port,
      hosts: "",
      connectionsMax: 4,
      metricsText,
      ready: () => true,
      logger,
      tls: undefined,
    };
    await expect(startAdminHttp(options)).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});

/** The status of a request with this Host header; undefined: without one, as HTTP/1.0. */
async function statusFor(host: string | undefined, path = "/metrics"): Promise<number> {
  const socket = connect(admin.port, "127.0.0.1");
  const version = host === undefined ? "1.0" : `1.1\r\nhost: ${host}\r\nconnection: close`;
  socket.write(`GET ${path} HTTP/${version}\r\n\r\n`);
  return Number(/^HTTP\/1\.1 (\d+)/.exec(await text(socket))?.[1]);
}

describe("the Host header of a request to the admin port", () => {
  it.each([
    ["an address with a port", "10.1.2.3:9464"],
    ["an address", "10.1.2.3"],
    ["an IPv6 address", "[fd00::1]:9464"],
    ["localhost", "LocalHost:9464"],
    ["a name below localhost", "cache.localhost"],
    ["the name of a service in the same namespace", "meshcache-admin:9464"],
    ["a name of `hosts`", "cache.example:9464"],
    ["a name of `hosts`, in full", "Cache.Example."],
    ["a name below one of `hosts`", "meshcache-0.meshcache-admin.shop.svc:9464"],
    ["none, as of a load balancer", undefined],
  ])("may be %s", async (_, host) => {
    expect(await statusFor(host)).toBe(200);
    expect(await statusFor(host, "/healthz")).toBe(200);
    expect(await statusFor(host, "/readyz")).toBe(200);
  });

  it.each([
    ["another name", "evil.example:9464"],
    ["a name that begins with an address", "127.0.0.1.evil.example"],
    ["a name that looks like an address", "127.0.0.1.nip.io"],
    ["a name with localhost in it", "localhost.evil.example"],
    ["a name that ends like one of `hosts`", "notcache.example"],
    ["a name below one that stands alone", "www.cache.example"],
    ["what the pattern is below", "shop.svc"],
    ["a broken address", "[evil.example]:9464"],
    ["two", "cache.example, evil.example"],
    ["nothing", ""],
  ])("may not be %s (DNS rebinding)", async (_, host) => {
    for (const path of ["/", "/metrics", "/healthz", "/readyz", "/canary"]) {
      expect(await statusFor(host, path)).toBe(421);
    }
  });
});

/** A connection that has sent `bytes` and nothing else. */
async function silent(bytes = ""): Promise<{ readonly socket: Socket; readonly closed: Promise<unknown> }> {
  const socket = connect(admin.port, "127.0.0.1");
  socket.on("error", () => {});
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.resume();
  await Promise.race([once(socket, "connect"), closed]);
  socket.write(bytes);
  return { socket, closed };
}

describe("A9: silent connections to the admin port", () => {
  it("are closed for others, the oldest first, and keep no probe out", async () => {
    const all: Awaited<ReturnType<typeof silent>>[] = [];
    for (let wave = 0; wave < 60; wave++) {
      all.push(...(await Promise.all(Array.from({ length: 50 }, () => silent()))));
    }
    expect((await request("/healthz")).status).toBe(200);
    const open = () => all.filter(({ socket }) => !socket.destroyed).length;
    await eventually(() => expect(open()).toBeLessThanOrEqual(CONNECTIONS_MAX));
    expect(admin.refusedConnections).toBeGreaterThanOrEqual(3_000 - CONNECTIONS_MAX);
    for (const { socket } of all) socket.destroy();
  });

  it.each([
    ["nothing", ""],
    ["a part of a request", "GET /healthz HTTP/1.1\r\nhost: x\r\n"],
  ])("are closed within seconds when they sent %s", { timeout: 40_000 }, async (_, bytes) => {
    const { closed } = await silent(bytes);
    await closed;
    expect(admin.refusedConnections).toBe(0);
  });

  it("do not end a request that is being answered", async () => {
    let answer = (_text: string): void => {};
    let asked = false;
    metricsText = () =>
      new Promise((resolve) => {
        asked = true;
        answer = resolve;
      });
    const scrape = request("/metrics");
    await eventually(() => expect(asked).toBe(true));
    const all = await Promise.all(Array.from({ length: 2 * CONNECTIONS_MAX }, () => silent()));
    answer("meshcache_entries 1\n");
    expect((await scrape).status).toBe(200);
    for (const { socket } of all) socket.destroy();
  });

  it("may not send long headers", async () => {
    const answer = await request("/healthz", { headers: { "x-long": "v".repeat(17_000) } });
    expect(answer.status).toBe(431);
  });
});

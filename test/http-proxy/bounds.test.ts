/** What a proxy may hold at a time, and what becomes of what is beyond it. */
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { numbered, startProxiedOrigin } from "./proxied-origin.ts";

const FRESH = { "cache-control": "max-age=60" };

describe("a proxy", () => {
  it("refuses requests when too many wait for the origin, and serves what it has", async () => {
    const bounds = { originConnections: 1, waiting: 2 };
    await using proxied = await startProxiedOrigin(numbered(FRESH), { bounds });
    const { ask, pass, requests } = proxied;
    await ask("/stale");
    await pass(61_000);
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    proxied.handler = (_request, response) => {
      void held.then(() => response.writeHead(200, FRESH).end("late"));
    };
    const asking = [ask("/1")];
    await expect.poll(() => requests.length).toBe(2);
    asking.push(ask("/2"), ask("/3"));
    // Until both wait.
    await expect.poll(async () => (await ask("/4")).status).toBe(503);
    const refused = await ask("/5");
    expect(refused).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(await ask("/stale")).toMatchObject({ status: 200, body: "answer 1" });
    expect((await ask("/write", { method: "POST" })).status).toBe(503);
    release();
    for (const { status } of await Promise.all(asking)) expect(status).toBe(200);
  });

  it("hands bodies on that are more than it may hold together, and does not keep them", async () => {
    await using proxied = await startProxiedOrigin(
      (_request, response) => response.writeHead(200, FRESH).end("x".repeat(2_000)),
      { bounds: { recordedBytes: 1_000 } },
    );
    for (const _ of [1, 2]) expect((await proxied.ask("/")).body).toHaveLength(2_000);
    expect(proxied.requests).toHaveLength(2);
    proxied.handler = (_request, response) => response.writeHead(200, FRESH).end("x".repeat(900));
    // What was taken is given back.
    for (const path of ["/a", "/b", "/c", "/a"]) expect((await proxied.ask(path)).body).toHaveLength(900);
    expect(proxied.requests).toHaveLength(5);
    expect(proxied.proxies[0]?.counts.notStored.no_room).toBe(2);
    expect(proxied.proxies[0]?.counts.refusedByLimit.recorded_bytes).toBe(2);
  });

  it("ends connections beyond its number of them", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH), { bounds: { connections: 1 } });
    const { address = "", counts } = proxied.proxies[0] ?? {};
    const first = connect(Number(address.split(":")[1]), "127.0.0.1");
    await new Promise<void>((resolve) => first.once("connect", () => resolve()));
    await expect(proxied.ask("/")).rejects.toThrow();
    expect(counts?.refusedByLimit.connections).toBe(1);
    first.destroy();
    await expect.poll(async () => (await proxied.ask("/").catch(() => undefined))?.status).toBe(200);
  });

  it("lets what is under way end when it is closed, and nothing more", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using proxied = await startProxiedOrigin((_request, response) => {
      void held.then(() => response.end("late"));
    });
    const [proxy] = proxied.proxies;
    const asking = proxied.ask("/");
    await expect.poll(() => proxied.requests.length).toBe(1);
    const closed = proxy?.close(60_000);
    await expect(proxied.ask("/")).rejects.toThrow();
    release();
    expect((await asking).body).toBe("late");
    await closed;
  });
});

/** Peers that send or take too much, too slowly, or leave. */
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { startProxiedOrigin } from "./proxied-origin.ts";
import { exchange, statusesIn } from "./raw-http.ts";

const FRESH = { "cache-control": "max-age=60" };
const QUICK = { headMs: 100, requestMs: 200, stalledMs: 300, checkMs: 20 };

describe("a client", () => {
  it("that takes too long for the head of a request is told so, and put off", async () => {
    await using proxied = await startProxiedOrigin(() => {}, { peerTimes: QUICK });
    const { address = "" } = proxied.proxies[0] ?? {};
    expect(statusesIn(await exchange(address, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "))).toEqual([408]);
  });

  it("that takes too long for a body does not keep a connection to the origin", async () => {
    await using proxied = await startProxiedOrigin((_request, response) => response.end(), {
      peerTimes: QUICK,
    });
    const { address = "" } = proxied.proxies[0] ?? {};
    const head = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n";
    const statuses = statusesIn(await exchange(address, `${head}half`));
    expect(statuses.filter((status) => status < 400)).toEqual([]);
    expect(proxied.requests).toEqual([]);
  });

  it("that sends a head of more than 16 KiB is refused", async () => {
    await using proxied = await startProxiedOrigin(() => {});
    const { address = "" } = proxied.proxies[0] ?? {};
    for (const head of [`X: ${"x".repeat(20_000)}`, "x: y\r\n".repeat(4_000)])
      expect(statusesIn(await exchange(address, `GET / HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n`))).toEqual([
        431,
      ]);
    const long = `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`;
    expect(
      statusesIn(await exchange(address, long)).every((status) => status === 431 || status === 414),
    ).toBe(true);
    expect(proxied.requests).toEqual([]);
  });

  it("that takes nothing of an answer keeps neither the others nor the store waiting", async () => {
    const body = Buffer.alloc(900_000, "x");
    await using proxied = await startProxiedOrigin((_request, response) => {
      response.writeHead(200, FRESH);
      response.end(body);
    });
    const { address = "" } = proxied.proxies[0] ?? {};
    const stalled = connect(Number(address.split(":")[1]), "127.0.0.1");
    stalled.pause();
    stalled.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await expect.poll(() => proxied.requests.length).toBe(1);
    for (const _ of [1, 2]) expect((await proxied.ask("/")).body).toHaveLength(body.length);
    expect(proxied.requests).toHaveLength(1);
    stalled.destroy();
  });

  it("that leaves does not end the request that others wait for, and what it brings is stored", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using proxied = await startProxiedOrigin((_request, response) => {
      response.writeHead(200, FRESH);
      response.write("one ");
      void held.then(() => response.end("two"));
    });
    const { address = "" } = proxied.proxies[0] ?? {};
    await exchange(address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1);
    const waiting = proxied.ask("/");
    release();
    expect((await waiting).body).toBe("one two");
    expect((await proxied.ask("/")).headers["cache-status"]).toContain("hit");
    expect(proxied.requests).toHaveLength(1);
  });

  it("that leaves ends a request that nobody else waits for", async () => {
    let ended = false;
    await using proxied = await startProxiedOrigin((_request, response) => {
      response.on("close", () => {
        ended = true;
      });
      response.writeHead(200, { "cache-control": "no-store" });
      response.write("one");
    });
    const { address = "" } = proxied.proxies[0] ?? {};
    await exchange(address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1);
    await expect.poll(() => ended).toBe(true);
  });
});

describe("an origin", () => {
  it("that does not answer in time is a 504, and one that stops in a body breaks it off", async () => {
    await using proxied = await startProxiedOrigin(() => {}, { timeoutMs: 1_000 });
    const asking = proxied.ask("/");
    expect((await asking).status).toBe(504);
    proxied.handler = (_request, response) => {
      response.writeHead(200, { "cache-control": "no-store" });
      response.write("half");
    };
    await expect(proxied.ask("/b")).rejects.toThrow();
  }, 20_000);

  it("that ends a connection between two requests is asked again, but for a write", async () => {
    const seen = new WeakSet<object>();
    await using proxied = await startProxiedOrigin(({ method }, response) => {
      const { socket } = response;
      if (socket === null) return;
      if (seen.has(socket)) {
        socket.destroy();
        return;
      }
      seen.add(socket);
      response.writeHead(200, { "cache-control": "no-store" });
      response.end(method);
    });
    const { ask, requests } = proxied;
    for (const path of ["/a", "/b", "/c"]) expect((await ask(path)).status).toBe(200);
    expect(requests.map(({ url }) => url)).toEqual(["/a", "/b", "/b", "/c", "/c"]);
    expect((await ask("/d", { method: "POST" })).status).toBe(502);
    expect(requests.filter(({ method }) => method === "POST")).toHaveLength(1);
  });

  it("that sends a body without an end is read no faster than the client takes it", async () => {
    let sent = 0;
    const part = Buffer.alloc(64 * 1024);
    await using proxied = await startProxiedOrigin((_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=60" });
      const send = () => {
        do sent += part.length;
        while (response.write(part));
      };
      response.on("drain", send);
      send();
    });
    const { address = "" } = proxied.proxies[0] ?? {};
    const stalled = connect(Number(address.split(":")[1]), "127.0.0.1");
    stalled.pause();
    stalled.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let before = -1;
    // All buffers on the way are full, and nothing moves any more.
    await expect
      .poll(
        () => {
          const isStill = sent === before && sent > 1_000_000;
          before = sent;
          return isStill;
        },
        { interval: 300, timeout: 10_000 },
      )
      .toBe(true);
    expect(sent).toBeLessThan(64 * 2 ** 20);
    stalled.destroy();
  }, 20_000);
});

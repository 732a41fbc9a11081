/** Requests whose end two parsers could see at different places: the origin never gets what is behind such an end. */
import { describe, expect, it } from "vitest";
import { startProxiedOrigin } from "./proxied-origin.ts";
import { exchange, statusesIn } from "./raw-http.ts";

const EVIL = "GET /evil HTTP/1.1\r\nHost: localhost\r\n\r\n";
const CHUNKED_EVIL = `0\r\n\r\n${EVIL}`;
const head = (...lines: string[]) => ["POST / HTTP/1.1", "Host: localhost", ...lines, "", ""].join("\r\n");

const SHAPES: readonly (readonly [name: string, text: string])[] = [
  [
    "Content-Length and Transfer-Encoding",
    head("Content-Length: 5", "Transfer-Encoding: chunked") + CHUNKED_EVIL,
  ],
  [
    "Transfer-Encoding and Content-Length",
    head("Transfer-Encoding: chunked", "Content-Length: 5") + CHUNKED_EVIL,
  ],
  ["two lengths", `${head("Content-Length: 5", `Content-Length: ${5 + EVIL.length}`)}12345${EVIL}`],
  ["two equal lengths", `${head("Content-Length: 5", "Content-Length: 5")}12345${EVIL}`],
  ["a list of lengths", `${head("Content-Length: 5, 5")}12345${EVIL}`],
  ["a signed length", `${head("Content-Length: +5")}12345${EVIL}`],
  ["a hexadecimal length", `${head("Content-Length: 0x5")}12345${EVIL}`],
  ["a negative length", `${head("Content-Length: -5")}12345${EVIL}`],
  ["a length beyond 64 bits", `${head("Content-Length: 18446744073709551621")}12345${EVIL}`],
  ["a length with a space in its name", `${head("Content-Length : 5")}12345${EVIL}`],
  ["a coding with a space in its name", head("Transfer-Encoding : chunked") + CHUNKED_EVIL],
  ["a coding with a tab before it", head("Transfer-Encoding:\tchunked", "Content-Length: 5") + CHUNKED_EVIL],
  ["an unknown coding", head("Transfer-Encoding: xchunked") + CHUNKED_EVIL],
  ["a coding beside chunked", head("Transfer-Encoding: gzip, chunked") + CHUNKED_EVIL],
  ["chunked, and something after it", head("Transfer-Encoding: chunked, identity") + CHUNKED_EVIL],
  ["chunked twice", head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + CHUNKED_EVIL],
  ["identity", `${head("Transfer-Encoding: identity", "Content-Length: 5")}12345${EVIL}`],
  ["a folded header", head("X: y", " Transfer-Encoding: chunked") + CHUNKED_EVIL],
  ["a header that begins with a space", `${head(" Content-Length: 5")}12345${EVIL}`],
  ["a line without CR", `POST / HTTP/1.1\nHost: localhost\nContent-Length: 5\n\n12345${EVIL}`],
  ["a NUL in a header", `${head("X: a\0b", "Content-Length: 5")}12345${EVIL}`],
  ["a CR in a header", head("X: a\rTransfer-Encoding: chunked") + CHUNKED_EVIL],
  ["a chunk of no size", `${head("Transfer-Encoding: chunked")}\r\n\r\n${EVIL}`],
  ["a chunk of a negative size", `${head("Transfer-Encoding: chunked")}-1\r\n\r\n${EVIL}`],
  [
    "a chunk whose size overflows",
    `${head("Transfer-Encoding: chunked")}10000000000000005\r\n12345\r\n${CHUNKED_EVIL}`,
  ],
  ["a chunk without CR", `${head("Transfer-Encoding: chunked")}5\n12345\n0\n\n${EVIL}`],
  ["a chunk longer than it says", `${head("Transfer-Encoding: chunked")}2\r\n12345\r\n${CHUNKED_EVIL}`],
  [
    "an extension of a chunk that ends in a lone LF",
    `${head("Transfer-Encoding: chunked")}5;a\n12345\r\n${CHUNKED_EVIL}`,
  ],
  [
    "chunks in HTTP/1.0",
    `POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${CHUNKED_EVIL}`,
  ],
  ["HTTP/0.9", `GET /\r\n${EVIL}`],
  ["HTTP/2.0 in the first line", `GET / HTTP/2.0\r\nHost: localhost\r\n\r\n${EVIL}`],
  ["a space in the target", `GET / HTTP/1.1 HTTP/1.1\r\nHost: localhost\r\n\r\n${EVIL}`],
  ["no host", `GET / HTTP/1.1\r\n\r\n${EVIL}`],
  [
    "an upgrade",
    head(
      "Connection: Upgrade, HTTP2-Settings, close",
      "Upgrade: h2c",
      "HTTP2-Settings: AAMAAABk",
      "Content-Length: 0",
    ),
  ],
];

describe("the proxy", () => {
  it.each(SHAPES)(
    "lets nothing through behind %s",
    async (_name, text) => {
      await using proxied = await startProxiedOrigin((_request, response) => response.end("ok"));
      const received = await exchange(proxied.proxies[0]?.address ?? "", text, 2);
      const { requests } = proxied;
      // Each shape is refused, or has one end alone: what follows that is a request of its own, and answered as one.
      const evil = requests.filter(({ url }) => url === "/evil").length;
      const statuses = statusesIn(received);
      expect(evil).toBeLessThanOrEqual(
        statuses.filter((status) => status === 200).length - (evil > 0 ? 1 : 0),
      );
      for (const { headers } of requests) {
        expect(headers).not.toHaveProperty("upgrade");
        expect(headers["content-length"] !== undefined && headers["transfer-encoding"] !== undefined).toBe(
          false,
        );
      }
      if (requests.length === 0) expect(statuses.every((status) => status >= 400)).toBe(true);
      expect((await proxied.ask("/after")).body).toBe("ok");
    },
    20_000,
  );

  it("keeps apart the answers to requests that are sent at once", async () => {
    await using proxied = await startProxiedOrigin(({ url }, response) => {
      response.writeHead(200, { "cache-control": "max-age=60" });
      response.end(url);
    });
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const last = "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const received = await exchange(proxied.proxies[0]?.address ?? "", get("/a") + get("/b") + last);
    expect(received.match(/^\/[ab]/gm)).toEqual(["/a", "/b", "/a"]);
  });
});

describe("an answer of the origin that is none", () => {
  it.each([
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    [
      "a length and chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ["a head of more than 64 KiB", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}\r\n\r\n`],
    ["no HTTP", "hello\r\n\r\n"],
  ])("is a 502: %s", async (_name, text) => {
    await using proxied = await startProxiedOrigin((_request, response) => {
      response.socket?.end(text);
    });
    const answered = await proxied.ask("/");
    expect(answered).toMatchObject({ status: 502, body: "the origin gave no answer\n" });
    expect(answered.headers["cache-control"]).toBe("no-store");
  });
});

/** Requests and answers with a few bytes changed: the proxy goes on, and no callback of it throws. */
import { describe, expect, it } from "vitest";
import { createSeededRng, type Rng } from "../../src/common/random.ts";
import { numbered, startProxiedOrigin } from "./proxied-origin.ts";
import { exchange } from "./raw-http.ts";

const SEED = 20_261_129;
const COUNT = 400;
const AT_ONCE = 20;

const REQUESTS = [
  'GET /a?b=c HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nIf-None-Match: "v1"\r\nConnection: close\r\n\r\n',
  "GET /a HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-3\r\nCache-Control: max-age=1, min-fresh=2\r\nConnection: close\r\n\r\n",
  "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
  "POST /b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
];
const ANSWERS = [
  'HTTP/1.1 200 OK\r\nCache-Control: max-age=60, no-cache="x"\r\nETag: "v1"\r\nVary: Accept\r\nContent-Length: 4\r\n\r\nbody',
  "HTTP/1.1 304 Not Modified\r\nCDN-Cache-Control: max-age=60;a=b\r\nAge: 1\r\nDate: Sun, 29 Nov 2026 12:00:00 GMT\r\n\r\n",
  "HTTP/1.1 200 OK\r\nSurrogate-Key: a b\r\nTransfer-Encoding: chunked\r\nExpires: 0\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
];

/** Changes, takes out or repeats a few bytes. */
function mutated(text: string, rng: Rng): string {
  const below = (count: number) => Math.floor(rng.fraction() * count);
  let changed = text;
  for (let left = 1 + below(4); left > 0; left -= 1) {
    const at = below(changed.length);
    const byte = String.fromCharCode(below(256));
    const others = [byte, "", changed.slice(at, at + below(20)), "\r\n", "\0", '"'];
    changed = changed.slice(0, at) + (others[below(others.length)] ?? "") + changed.slice(at + below(3));
  }
  return changed;
}

describe("a proxy", () => {
  it(`goes on after mutated requests (seed ${SEED})`, async () => {
    const rng = createSeededRng(SEED);
    await using proxied = await startProxiedOrigin(
      numbered({ "cache-control": "max-age=60", etag: '"v1"' }),
      {
        peerTimes: { headMs: 200, requestMs: 400, idleMs: 200, stalledMs: 500, checkMs: 50 },
      },
    );
    const { address = "" } = proxied.proxies[0] ?? {};
    for (let from = 0; from < COUNT; from += AT_ONCE)
      await Promise.all(
        Array.from({ length: AT_ONCE }, (_, index) =>
          exchange(address, mutated(REQUESTS[index % 4] ?? "", rng)),
        ),
      );
    expect((await proxied.ask("/after")).status).toBe(200);
    expect(proxied.faults).toEqual([]);
  }, 60_000);

  it(`goes on after mutated answers (seed ${SEED})`, async () => {
    const rng = createSeededRng(SEED);
    let count = 0;
    await using proxied = await startProxiedOrigin((_request, response) => {
      count += 1;
      response.socket?.end(Buffer.from(mutated(ANSWERS[count % 4] ?? "", rng), "latin1"));
    });
    for (let from = 0; from < COUNT; from += AT_ONCE)
      await Promise.all(
        Array.from({ length: AT_ONCE }, async (_, index) => {
          const asked = await proxied.ask(`/${(from + index) % 50}`).catch(() => undefined);
          expect(asked === undefined || asked.status >= 200).toBe(true);
        }),
      );
    proxied.handler = numbered({ "cache-control": "max-age=60" });
    expect((await proxied.ask("/after")).body).toBe("answer 1");
    expect(proxied.faults).toEqual([]);
  }, 60_000);
});

/** Interim answers of the origin: the client that has asked gets them, and they are no part of what is stored. */
import { request } from "node:http";
import { expect, it } from "vitest";
import { startProxiedOrigin } from "./proxied-origin.ts";

interface Interim {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, unknown>>;
}

function askWithInterim(address: string): Promise<{ interim: Interim[]; headers: unknown }> {
  return new Promise((resolve, reject) => {
    const interim: Interim[] = [];
    const asking = request(`http://${address}/`, { agent: false }, (message) => {
      message.resume();
      message.on("end", () => resolve({ interim, headers: message.headers }));
    });
    asking.on("information", ({ statusCode, headers }: Interim) => interim.push({ statusCode, headers }));
    asking.on("error", reject);
    asking.end();
  });
}

it.each(["max-age=60", "no-store"])("are passed on and not stored: %s", async (cacheControl) => {
  const link = "</styles.css>; rel=preload; as=style";
  await using proxied = await startProxiedOrigin((_request, response) => {
    response.writeProcessing();
    response.writeEarlyHints({ link, "x-hint": "1" }, () => {
      response.writeHead(200, { "cache-control": cacheControl });
      response.end("body");
    });
  });
  const { address = "" } = proxied.proxies[0] ?? {};
  const first = await askWithInterim(address);
  expect(first.interim).toEqual([
    { statusCode: 102, headers: {} },
    { statusCode: 103, headers: { link, "x-hint": "1" } },
  ]);
  expect(first.headers).not.toHaveProperty("x-hint");
  const second = await askWithInterim(address);
  expect(second.interim).toHaveLength(cacheControl === "no-store" ? 2 : 0);
  expect(second.headers).not.toHaveProperty("x-hint");
});

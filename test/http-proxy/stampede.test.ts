/** Many requests for the same through several processes at once: the origin is asked once. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { bytes } from "../../src/index.ts";
import { type Answered, ask, PATIENT, startProxiedOrigin } from "./proxied-origin.ts";

const SCRIPT = fileURLToPath(new URL("./proxy-process.ts", import.meta.url));
const PROCESSES = 4;
const REQUESTS_EACH = 50;
/** Until all requests are there. */
const ORIGIN_MS = 500;

class ProxyProcesses implements Disposable {
  readonly #children: readonly ChildProcess[];

  constructor(...argv: string[]) {
    const options = { execPath: process.execPath, execArgv: [] };
    this.#children = Array.from({ length: PROCESSES }, () => fork(SCRIPT, argv, options));
  }

  /** Where they listen. */
  async addresses(): Promise<string[]> {
    const told = await Promise.all(this.#children.map((child) => once(child, "message")));
    return told.map(([address]) => String(address));
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }
}

function askAll(addresses: readonly string[], path: string): Promise<Answered[]> {
  const requests = addresses.flatMap((address) => Array<string>(REQUESTS_EACH).fill(address));
  return Promise.all(requests.map((address) => ask(`http://${address}`, path, {})));
}

describe(`${PROCESSES * REQUESTS_EACH} requests through ${PROCESSES} processes`, () => {
  it("cost one request to the origin for a response that nobody has", async () => {
    await using proxied = await startProxiedOrigin(({ url }, response) => {
      const answer = () => response.writeHead(200, { "cache-control": "max-age=60" }).end(url);
      setTimeout(answer, ORIGIN_MS);
    });
    using processes = new ProxyProcesses(proxied.mesh.address, proxied.origin);
    const answers = await askAll(await processes.addresses(), "/new");
    expect(new Set(answers.map(({ body }) => body))).toEqual(new Set(["/new"]));
    expect(proxied.requests).toHaveLength(1);
  });

  it("cost one request to the origin for a response that must be confirmed", async () => {
    await using proxied = await startProxiedOrigin(({ headers }, response) => {
      const isSame = headers["if-none-match"] === '"v1"';
      const fields = { "cache-control": "max-age=60", etag: '"v1"', "cache-tag": "t" };
      const answer = () => response.writeHead(isSame ? 304 : 200, fields).end(isSame ? undefined : "body");
      setTimeout(answer, isSame ? ORIGIN_MS : 0);
    });
    using processes = new ProxyProcesses(proxied.mesh.address, proxied.origin);
    const addresses = await processes.addresses();
    await proxied.ask("/old");
    await proxied.mesh.cache.sync();
    const responses = proxied.mesh.connect(PATIENT).namespace("responses", { codec: bytes() });
    await responses.invalidate({ tags: ["t"] }, { soft: true });
    const answers = await askAll(addresses, "/old");
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`))).toEqual(new Set(["200 body"]));
    expect(proxied.requests.map(({ headers }) => headers["if-none-match"])).toEqual([undefined, '"v1"']);
  });
});

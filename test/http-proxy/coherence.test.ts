/** Readers and writers through two proxies: no answer is older than a write that was answered before the question. */
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import { startProxiedOrigin } from "./proxied-origin.ts";

const SEEDS = [1, 2, 3];
const STEPS = 150;
const PATHS = ["/a", "/b"];

describe("a proxy", () => {
  it.each(SEEDS)("answers nothing older than a write that it has answered (seed %i)", async (seed) => {
    const rng = createSeededRng(seed);
    const below = (count: number) => Math.floor(rng.fraction() * count);
    const versions = new Map(PATHS.map((path) => [path, 0]));
    await using proxied = await startProxiedOrigin(
      async ({ method, url }, response) => {
        if (method === "POST") versions.set(url, (versions.get(url) ?? 0) + 1);
        const version = versions.get(url);
        // What was read waits, and may be overtaken.
        for (let turns = below(20); turns > 0; turns -= 1) await turn();
        response.writeHead(200, { "cache-control": "max-age=600", etag: `"${version}"`, vary: "X-Kind" });
        response.end(String(version));
      },
      { count: 2 },
    );
    /** The newest version whose write each proxy has answered. */
    const answered = [0, 1].map(() => new Map(PATHS.map((path) => [path, 0])));
    const step = async () => {
      const through = below(2);
      const path = PATHS[below(PATHS.length)] ?? "/a";
      const known = answered[through];
      const expected = known?.get(path) ?? 0;
      if (below(5) === 0) {
        const version = Number((await proxied.ask(path, { method: "POST", through })).body);
        known?.set(path, Math.max(known.get(path) ?? 0, version));
      } else {
        const headers = { "x-kind": `${below(3)}` };
        expect(Number((await proxied.ask(path, { through, headers })).body)).toBeGreaterThanOrEqual(expected);
      }
    };
    const worker = async () => {
      for (let steps = 0; steps < STEPS / 10; steps += 1) await step();
    };
    await Promise.all(Array.from({ length: 10 }, worker));
    for (const through of [0, 1])
      for (const path of PATHS)
        for (const kind of ["0", "1", "2"]) {
          const last = async () =>
            Number((await proxied.ask(path, { through, headers: { "x-kind": kind } })).body);
          await expect.poll(last).toBe(versions.get(path));
        }
  });
});

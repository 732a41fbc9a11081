/** Two production servers of an application of Next.js, over HTTP: what is revalidated on one is seen by the other at its next request. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshCache } from "../../../src/index.ts";
import { eventually } from "../../support/eventually.ts";
import { freeAddress } from "../../support/free-port.ts";
import { type RunningServer, startServer } from "../../support/running-server.ts";
import { type AppServer, buildApp, type Source, startApp, startSource } from "./servers.ts";

const ROUNDS = 25;
const LARGE_ROUNDS = 5;

let cache: RunningServer;
let source: Source;
let apps: readonly AppServer[] = [];
beforeAll(async () => {
  cache = await startServer({ listen: await freeAddress() });
  source = await startSource();
  const environment = { MESHCACHE_ADDRESS: cache.address, SOURCE_URL: source.url };
  await buildApp(environment);
  apps = await Promise.all([startApp(environment), startApp(environment)]);
});
afterAll(async () => {
  for (const app of apps) await app[Symbol.asyncDispose]();
  await source?.[Symbol.asyncDispose]();
  await cache?.stop();
});

const appAt = (index: number): string => {
  const app = apps[index % apps.length];
  if (app === undefined) throw new Error("no server has started");
  return app.url;
};

/** The value that a page shows. */
async function show(index: number, path: string): Promise<string> {
  const response = await fetch(appAt(index) + path);
  expect(response.status).toBe(200);
  const page = (await response.text()).replaceAll("<!-- -->", "");
  return /<p[^>]*>(?:item|large)=([^;<]*);/.exec(page)?.[1] ?? "nothing";
}

/** Resolves when the server has acknowledged it. */
async function revalidate(
  index: number,
  what: { tag?: string; path?: string; profile?: string },
): Promise<void> {
  const response = await fetch(`${appAt(index)}/revalidate`, { method: "POST", body: JSON.stringify(what) });
  expect(await response.json()).toEqual({ done: true });
}

const bothShow = (path: string) => Promise.all([show(0, path), show(1, path)]);

describe("two servers of Next.js", () => {
  it("show what one of them has generated", async () => {
    source.value = "shared";
    expect(await show(0, "/items/shared")).toBe("shared");
    source.value = "not asked";
    expect(await show(1, "/items/shared")).toBe("shared");
    expect(source.reads("item-shared")).toBe(1);
  });

  it.each([
    ["tag", { tag: "item:1" }, "/items/1", ROUNDS],
    ["tag of many pages", { tag: "items" }, "/items/1", ROUNDS],
    ["path", { path: "/items/1" }, "/items/1", ROUNDS],
    ["tag of a large component under a long key", { tag: "large" }, "/large", LARGE_ROUNDS],
  ])("show no stale page after a %s was revalidated on one of them", async (_, what, path, rounds) => {
    let stale = 0;
    for (let round = 1; round <= rounds; round += 1) {
      await bothShow(path);
      source.value = `${path} ${round}`;
      await revalidate(round, what);
      for (const shown of [await show(round + 1, path), await show(round, path)]) {
        if (shown !== source.value) stale += 1;
      }
    }
    expect(stale).toBe(0);
  });

  it("keep the pages of other tags", async () => {
    source.value = "one";
    await revalidate(0, { tag: "item:2" });
    await eventually(async () => {
      await bothShow("/items/2");
      const reads = source.reads("item-2");
      await bothShow("/items/2");
      expect(source.reads("item-2")).toBe(reads);
    });
    const reads = source.reads("item-2");
    await revalidate(0, { tag: "item:1" });
    expect(await bothShow("/items/2")).toEqual(["one", "one"]);
    expect(source.reads("item-2")).toBe(reads);
  });

  it("show a stale page once where a profile permits it, and then the new one", async () => {
    source.value = "before";
    await revalidate(0, { tag: "item:3" });
    expect(await bothShow("/items/3")).toEqual(["before", "before"]);
    source.value = "after";
    await revalidate(0, { tag: "item:3", profile: "max" });
    expect(["before", "after"]).toContain(await show(1, "/items/3"));
    await eventually(async () => expect(await bothShow("/items/3")).toEqual(["after", "after"]));
  });

  it("show what getOrLoad has in both, until any process invalidates it", async () => {
    source.value = "one";
    expect(await bothShow("/mesh-items/5")).toEqual(["one", "one"]);
    expect(source.reads("item-5")).toBe(1);
    source.value = "other";
    await using writer = new MeshCache({ address: cache.address });
    await writer.namespace("items").invalidate({ tags: ["item:5"] });
    await eventually(async () => expect(await bothShow("/mesh-items/5")).toEqual(["other", "other"]));
  });

  it("go on while the cache restarts, and agree again", async () => {
    source.value = "before";
    await revalidate(0, { tag: "item:4" });
    await bothShow("/items/4");
    const { address } = cache;
    await cache.stop();
    source.value = "without a cache";
    expect(["before", "without a cache"]).toContain(await show(0, "/items/4"));
    cache = await startServer({ listen: address });
    source.value = "after";
    await eventually(() => revalidate(0, { tag: "item:4" }));
    expect(await show(1, "/items/4")).toBe("after");
    expect(await show(0, "/items/4")).toBe("after");
  });
});

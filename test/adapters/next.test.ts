/** The cache handler of Next.js by itself. Two servers of an application with it: test/adapters/next. */
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CacheEntry, createCacheHandler, type MeshCacheHandler } from "../../src/adapters/next/index.ts";
import { MeshCache } from "../../src/index.ts";
import { createTestClock, startTestCache, type TestCache, type TestClock } from "../../src/testing/index.ts";

const A_WHILE_MS = 2_000;

const streamOf = (...chunks: (string | Uint8Array)[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
      controller.close();
    },
  });

const entryOf = (value: string | Uint8Array, fields: Partial<CacheEntry> = {}): CacheEntry => ({
  value: streamOf(value),
  tags: [],
  stale: 300,
  timestamp: Date.now(),
  expire: 3_600,
  revalidate: 900,
  ...fields,
});

async function readAll(entry: CacheEntry | undefined): Promise<string | undefined> {
  if (entry === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry.value) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe("createCacheHandler()", () => {
  let mesh: TestCache;
  let clock: TestClock;
  let one: MeshCacheHandler;
  let other: MeshCacheHandler;
  beforeEach(async () => {
    clock = createTestClock();
    mesh = await startTestCache({ clock });
    one = createCacheHandler({ cache: mesh.cache, valueMaxBytes: 2_000_000 });
    other = createCacheHandler({ cache: mesh.connect() });
  });
  afterEach(() => mesh.close());

  /** As a request does that reads. */
  async function request(handler: MeshCacheHandler, key: string, softTags: string[] = []) {
    await handler.refreshTags();
    return handler.get(key, softTags);
  }
  const put = (handler: MeshCacheHandler, key: string, entry: CacheEntry) =>
    handler.set(key, Promise.resolve(entry));

  it("gives one server what another has stored, each time in a stream of its own", async () => {
    const timestamp = Date.now() - 500;
    const value = streamOf("a", "bc", "d");
    await put(one, "key", entryOf("", { value, tags: ["t"], timestamp }));
    for (const _read of [1, 2]) {
      const found = await request(other, "key");
      expect(found).toMatchObject({ tags: ["t"], stale: 300, expire: 3_600, revalidate: 900 });
      expect(Math.abs((found?.timestamp ?? 0) - timestamp)).toBeLessThan(60_000);
      expect(await readAll(found)).toBe("abcd");
    }
    expect(await request(other, "none")).toBeUndefined();
  });

  it("keeps keys of any length, values in parts, and warns by name of longer values", async () => {
    const key = "k".repeat(5_000);
    const value = Buffer.alloc(1_900_000, "0123456789");
    await put(one, key, entryOf(value, { tags: ["large"] }));
    expect(await readAll(await request(other, key))).toBe(value.toString());
    const warned = once(process, "warning");
    await put(one, "key", entryOf(Buffer.alloc(2_000_001)));
    expect(await warned).toMatchObject([
      { message: expect.stringContaining("value must be at most 2000000") },
    ]);
    expect(await request(other, "key")).toBeUndefined();
    await one.updateTags(["large"]);
    expect(await request(other, key)).toBeUndefined();
  });

  it("waits with a read for the write of its key", async () => {
    const { promise, resolve } = Promise.withResolvers<CacheEntry>();
    const writing = one.set("key", promise);
    const reading = one.get("key", []);
    resolve(entryOf("value"));
    expect(await readAll(await reading)).toBe("value");
    await writing;
  });

  it("stores nothing of a stream that fails, nor what is generated with each read", async () => {
    const value = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error("broken")),
    });
    await put(one, "broken", entryOf("", { value }));
    await put(one, "dynamic", entryOf("value", { expire: -1 }));
    expect(await request(one, "broken")).toBeUndefined();
    expect(await request(one, "dynamic")).toBeUndefined();
  });

  const long = "t".repeat(300);
  const many = Array.from({ length: 30 }, (_tag, index) => `tag ${index}`);
  it.each([
    ["a tag", ["t"], "t"],
    ["a tag that is too long", [long], long],
    ["the last of more tags than an entry may have", many, "tag 29"],
  ])("expires for all servers by %s, once it is acknowledged", async (_, tags, tag) => {
    await put(one, "key", entryOf("old", { tags }));
    await put(one, "another", entryOf("kept", { tags: ["u"] }));
    expect(await readAll(await request(other, "key"))).toBe("old");
    await one.updateTags([tag]);
    expect(await request(other, "key")).toBeUndefined();
    expect(await readAll(await request(other, "another"))).toBe("kept");
    clock.advance(A_WHILE_MS);
    await put(other, "key", entryOf("new", { tags }));
    expect(await readAll(await request(one, "key"))).toBe("new");
  });

  it("serves what a profile makes stale until it expires, and says that it is to be generated", async () => {
    await put(one, "key", entryOf("old", { tags: ["t"] }));
    await one.updateTags(["t"], { expire: 60 });
    const found = await request(other, "key");
    expect(found?.revalidate).toBe(-1);
    expect(await readAll(found)).toBe("old");
    clock.advance(61_000);
    expect(await request(other, "key")).toBeUndefined();
    await put(other, "key", entryOf("new", { tags: ["t"] }));
    expect(await request(one, "key")).toMatchObject({ revalidate: 900 });
  });

  it("discards what was being generated when its tag was revalidated, even if it is stored later", async () => {
    expect(await request(other, "key")).toBeUndefined();
    const began = Date.now();
    clock.advance(A_WHILE_MS);
    await one.updateTags(["t"]);
    clock.advance(A_WHILE_MS);
    await put(other, "key", entryOf("of before", { tags: ["t"], timestamp: began - 3 * A_WHILE_MS }));
    expect(await request(one, "key")).toBeUndefined();
  });

  it("leaves it to the soft tags of a read whether it sees an entry", async () => {
    await put(one, "key", entryOf("shared"));
    clock.advance(A_WHILE_MS);
    await one.updateTags(["_N_T_/a"]);
    expect(await request(other, "key", ["_N_T_/a"])).toBeUndefined();
    expect(await readAll(await request(other, "key", ["_N_T_/b"]))).toBe("shared");
    expect(await one.getExpiration(["_N_T_/a"])).toBe(Number.POSITIVE_INFINITY);
  });

  it("leaves expired what a tag has expired, when the tag then only makes stale", async () => {
    await put(one, "key", entryOf("of before", { tags: ["t"] }));
    clock.advance(A_WHILE_MS);
    await one.updateTags(["_N_T_/a"]);
    for (const profile of [{ expire: 60 }, {}, { expire: 60 }]) {
      clock.advance(A_WHILE_MS);
      await Promise.all([one, other].map((handler) => handler.updateTags(["_N_T_/a"], profile)));
      expect(await request(other, "key", ["_N_T_/a"])).toBeUndefined();
    }
    clock.advance(A_WHILE_MS);
    await put(one, "key", entryOf("new", { tags: ["t"] }));
    expect(await request(other, "key", ["_N_T_/a"])).toMatchObject({ revalidate: 900 });
  });

  it("does not fail what Next.js awaits for a value that the server refuses", async () => {
    const small = await startTestCache({ server: { limits: { valueMaxBytes: 1_024 } } });
    const handler = createCacheHandler({ cache: small.cache });
    const warned = once(process, "warning");
    await put(handler, "key", entryOf(Buffer.alloc(2_000)));
    expect(await warned).toMatchObject([{ message: expect.stringContaining("value must be at most 1024") }]);
    await small.close();
  });

  it("finds and keeps nothing without a cache, and does not say that a tag was revalidated", async () => {
    await using cache = new MeshCache({ address: "127.0.0.1:1", onEvent: () => {}, deadlineMs: 300 });
    const handler = createCacheHandler({ cache });
    expect(await request(handler, "key", ["t"])).toBeUndefined();
    await put(handler, "key", entryOf("value"));
    await expect(handler.updateTags(["t"])).rejects.toMatchObject({ name: "CacheError" });
    await cache.close({ graceMs: 0 });
  });
});

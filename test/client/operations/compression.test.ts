/** Compressed values: what is stored, who reads it, what nobody reads, and what happens where they are not known. */
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytes,
  type ClientEvent,
  type Codec,
  compressed,
  json,
  type NamespaceOptions,
} from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

const LONG = "long ".repeat(1_000);

function viewIn(mesh: Mesh, key = "k") {
  const view = mesh.store.inspect("users", key).entry?.view;
  if (view === undefined) throw new Error("there is no entry");
  return { ...view, text: Buffer.from(view.value).toString() };
}

async function start<Value>(
  codec: Codec<Value>,
  options: Partial<NamespaceOptions<Value>> = {},
  mesh = new Mesh(),
) {
  const events: ClientEvent[] = [];
  const cache = mesh.connect({ onEvent: (event) => events.push(event) });
  const users = cache.namespace("users", { codec, ttlMs: 10_000, ...options });
  await mesh.settle();
  return { mesh, cache, users, events };
}

/** What some other client has stored. */
function put(mesh: Mesh, contentEncoding: string, value: Uint8Array, lifetimes = { ttlMs: 0, staleMs: 0 }) {
  mesh.writeBytes("users", "k", value, { contentEncoding, ...lifetimes });
}

describe("compressed()", () => {
  it("stores in zstd what is long enough and becomes shorter, and says so of no other value", async () => {
    const { mesh, cache, users } = await start(compressed(bytes(), { minBytes: 100 }));
    const isStored = async (value: Uint8Array) => {
      await mesh.run(users.set("k", value));
      const view = viewIn(mesh);
      const plain = view.contentEncoding === "" ? view.value : zstdDecompressSync(view.value);
      expect(Buffer.compare(plain, value)).toBe(0);
      return [view.contentEncoding, view.contentType];
    };
    const type = "application/octet-stream";
    expect(await isStored(new Uint8Array(99))).toEqual(["", type]);
    expect(await isStored(new Uint8Array(100))).toEqual(["zstd", type]);
    expect(cache.stats().compression).toEqual({
      compressed: 1,
      savedBytes: 100 - viewIn(mesh).value.length,
      decompressed: 0,
    });
    expect(await isStored(zstdCompressSync(Buffer.from(LONG.repeat(9))))).toEqual(["", type]);
    expect(cache.stats().compression.compressed).toBe(1);
  });

  it("is one codec for each codec and length, and otherwise the codec that it wraps", () => {
    expect(compressed(json())).toBe(compressed(json(), { minBytes: 1_024 }));
    expect(compressed(json(), { minBytes: 7 })).not.toBe(compressed(json()));
    expect(compressed(bytes())).not.toBe(compressed(json()));
    const { name, contentType, compressFromBytes } = compressed(json());
    expect({ name, contentType, compressFromBytes }).toEqual({
      name: "json",
      contentType: "application/json",
      compressFromBytes: 1_024,
    });
    const counted = { ...json<number>(), decodeOwn: () => 7 };
    expect(compressed(counted).decodeOwn?.(Buffer.from("1"))).toBe(7);
    expect(compressed(json<number>()).decodeOwn?.(Buffer.from("1"))).toBe(1);
  });

  it.each([0, 0.5, -1, Number.NaN, 2 ** 26 + 1, "1"])("refuses a length of %s", (minBytes) => {
    const invalid = (field: string) =>
      expect.objectContaining({ reason: "FIELD_INVALID", detail: { field, bound: expect.anything() } });
    expect(() => compressed(json(), { minBytes: minBytes as number })).toThrow(invalid("minBytes"));
    const codec = { ...json(), compressFromBytes: minBytes as number };
    expect(() => new Mesh().connect().namespace("users", { codec })).toThrow(
      invalid("codec.compressFromBytes"),
    );
  });

  it("brings back every value, by every way of reading and writing, near and far", async () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.string({ minLength: 40, unit: "binary" }),
      fc.array(fc.constant("same"), { maxLength: 300 }),
    );
    const codecs: Codec<unknown>[] = [
      json(),
      compressed(json(), { minBytes: 1 }),
      compressed(json(), { minBytes: 200 }),
    ];
    await fc.assert(
      fc.asyncProperty(
        value,
        fc.constantFrom(...codecs),
        fc.constantFrom(...codecs),
        fc.boolean(),
        async (given, own, other, isNear) => {
          // `null` of a loader says that there is no such record.
          const expected = JSON.parse(JSON.stringify({ given }));
          const near = isNear ? {} : { nearCache: false as const };
          const one = await start<unknown>(own, { ...near, staleMs: 60_000 });
          const { users } = await start<unknown>(other, { ...near, staleMs: 60_000 }, one.mesh);
          const run = <Result>(promise: Promise<Result>) => one.mesh.run(promise);
          await run(one.users.set("set", { given }));
          expect(await run(one.users.getOrLoad("loaded", () => ({ given })))).toEqual(expected);
          for (const names of [one.users, users, one.users, users]) {
            expect(await run(names.get("set"))).toEqual({ kind: "hit", value: expected });
            expect(await run(names.getOrLoad("loaded", () => "not called"))).toEqual(expected);
            const many = await run(names.getMany(["set", "loaded"]));
            expect(many).toEqual([
              { kind: "hit", value: expected },
              { kind: "hit", value: expected },
            ]);
            expect(await run(names.entry("set"))).toMatchObject({ kind: "hit", value: expected });
          }
          await one.mesh.advance(10_000);
          expect(await run(users.get("set", { allowStale: true }))).toEqual({ kind: "hit", value: expected });
        },
      ),
      { numRuns: 60 },
    );
  });

  it("keeps near copies decompressed: a hit is decompressed once", async () => {
    const { mesh } = await start(compressed(bytes()));
    const writer = await start(compressed(bytes()), {}, mesh);
    const { users, cache } = await start(bytes(), {}, mesh);
    await mesh.run(writer.users.set("k", Buffer.from(LONG)));
    for (let read = 0; read < 5; read++) {
      const outcome = await mesh.run(users.get("k"));
      expect(outcome.kind === "hit" && Buffer.from(outcome.value).toString()).toBe(LONG);
    }
    expect(cache.stats()).toMatchObject({ near: { hits: 4 }, compression: { decompressed: 1 } });
    expect(cache.stats().near.bytes).toBeGreaterThan(LONG.length);
    // The writer has its own copy of what it wrote, and never asks.
    await mesh.run(writer.users.get("k"));
    expect(writer.cache.stats().compression).toMatchObject({ compressed: 1, decompressed: 0 });
  });

  it("shortens neither what the server takes nor what it answers a lease with", async () => {
    const mesh = new Mesh();
    mesh.limits = { valueMaxBytes: 4_000 };
    const { users } = await start(compressed(json<string>()), {}, mesh);
    await expect(mesh.run(users.set("k", LONG))).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      detail: { field: "value" },
    });
    const { users: others } = await start(json<string>(), {}, mesh);
    const load = () => LONG.slice(0, 3_000);
    expect(await mesh.run(users.getOrLoad("k", load))).toBe(LONG.slice(0, 3_000));
    expect(viewIn(mesh).contentEncoding).toBe("zstd");
    expect(await mesh.run(others.getOrLoad("k", () => "not called"))).toBe(LONG.slice(0, 3_000));
  });
});

describe("a value that another client has compressed", () => {
  const plain = Buffer.from(JSON.stringify(LONG));

  it.each([
    ["zstd", zstdCompressSync(plain)],
    ["gzip", gzipSync(plain)],
    ["br", brotliCompressSync(plain)],
    ["deflate", deflateSync(plain)],
  ])("in %s is read by a plain codec", async (encoding, value) => {
    const { mesh, users, cache } = await start(json<string>());
    put(mesh, encoding, value);
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "hit", value: LONG });
    expect(cache.stats().compression.decompressed).toBe(1);
  });

  const faulty: readonly (readonly [string, string, Uint8Array, RegExp])[] = [
    ["an encoding that nobody knows", "x-own", plain, /this client knows br, deflate, gzip, zstd/],
    ["another encoding than it says", "gzip", zstdCompressSync(plain), /cannot be decompressed/],
    ["its end missing", "zstd", zstdCompressSync(plain).subarray(0, -3), /cannot be decompressed/],
    [
      "a second frame",
      "zstd",
      Buffer.concat([zstdCompressSync(plain), zstdCompressSync(plain)]),
      /cannot be decompressed/,
    ],
    [
      "more bytes than a value",
      "zstd",
      zstdCompressSync(Buffer.alloc(2 ** 20 + 1)),
      /more than the 1048576 bytes of a value/,
    ],
    ["a bomb in it", "gzip", gzipSync(Buffer.alloc(2 ** 26)), /more than the 1048576 bytes/],
  ];

  it.each(faulty)("with %s is an error of the codec that names it", async (_what, encoding, value, why) => {
    const { mesh, users, events } = await start(json<string>());
    put(mesh, encoding, value);
    const error = {
      reason: "CODEC",
      detail: { namespace: "users", codec: "json", encoding },
      message: expect.stringMatching(why),
    };
    await expect(mesh.run(users.get("k"))).rejects.toMatchObject(error);
    await expect(mesh.run(users.getOrLoad("k", () => "loaded"))).rejects.toMatchObject(error);
    expect(events.filter(({ kind }) => kind === "undecodable")).toEqual([]);
  });

  it.each(faulty)(
    "with %s is a miss where the namespace says so, and is loaded again",
    async (_what, encoding, value) => {
      const { mesh, users, events } = await start(json<string>(), { undecodable: "miss" });
      put(mesh, encoding, value);
      expect(await mesh.run(users.get("k"))).toEqual({ kind: "miss" });
      expect(events.filter(({ kind }) => kind === "undecodable")).toHaveLength(1);
      expect(await mesh.run(users.getOrLoad("k", () => "loaded"))).toBe("loaded");
      expect(await mesh.run(users.get("k"))).toEqual({ kind: "hit", value: "loaded" });
      expect(viewIn(mesh)).toMatchObject({ contentEncoding: "", text: '"loaded"' });
    },
  );

  it("and is stale is left alone while a load replaces it", async () => {
    const { mesh, users } = await start(json<string>());
    put(mesh, "x-own", plain, { ttlMs: 10, staleMs: 10_000 });
    await mesh.advance(20);
    expect(await mesh.run(users.getOrLoad("k", () => "loaded"))).toBe("loaded");
  });

  it("of the largest size is read", async () => {
    const { mesh, users } = await start(bytes());
    put(mesh, "zstd", zstdCompressSync(Buffer.alloc(2 ** 20, 7)));
    const outcome = await mesh.run(users.get("k"));
    expect(outcome.kind === "hit" && outcome.value.length).toBe(2 ** 20);
  });
});

describe("a server that keeps no content encodings, or is not known yet", () => {
  it("gets plain values", async () => {
    const mesh = new Mesh();
    mesh.keepsEncodings = false;
    const { users } = await start(compressed(json<string>()), {}, mesh);
    await mesh.run(users.set("k", LONG));
    expect(viewIn(mesh)).toMatchObject({ contentEncoding: "", text: JSON.stringify(LONG) });
  });

  it("gets no compressed value that was meant for a newer one", async () => {
    const { mesh, users } = await start(compressed(json<string>()));
    mesh.link.hold();
    const refused = users.set("k", LONG);
    mesh.keepsEncodings = false;
    await mesh.settle();
    refused.catch(() => undefined);
    mesh.link.reset();
    await mesh.advance(1_000);
    await expect(refused).rejects.toMatchObject({
      reason: "FIELD_INVALID",
      detail: { field: "contentEncoding" },
    });
    await mesh.run(users.set("k", LONG));
    expect(viewIn(mesh).contentEncoding).toBe("");
  });

  it("gets plain values with the first connection", async () => {
    const mesh = new Mesh();
    const users = mesh.connect().namespace("users", { codec: compressed(json<string>()) });
    await mesh.run(users.set("k", LONG));
    expect(viewIn(mesh).contentEncoding).toBe("");
    await mesh.run(users.set("k", LONG));
    expect(viewIn(mesh).contentEncoding).toBe("zstd");
  });
});

/** Limits: their defaults and ranges, and requests at a limit and one beyond it. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { GetRequestSchema, SetRequestSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { fromGetRequest } from "../../src/rpc/get.ts";
import { resolveLimits } from "../../src/rpc/limits.ts";
import { fromSetRequest } from "../../src/rpc/set.ts";

const limits = resolveLimits();
const writer = { origin: "", traceparent: "" };

describe("resolveLimits()", () => {
  it("gives the defaults that the proto states", () => {
    expect(limits).toMatchObject({
      namespaceMaxBytes: 64,
      keyMaxBytes: 512,
      tagMaxBytes: 128,
      entryMaxTags: 16,
      valueMaxBytes: 1_048_576,
      batchMaxOperations: 1_024,
      batchMaxBytes: 2_097_152,
      receiveMaxBytes: 2_621_440,
      sendMaxBytes: 4_194_304,
      lifetimeMaxMs: 31_536_000_000,
    });
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    "refuses %s, naming the field",
    (keyMaxBytes) => {
      expect(() => resolveLimits({ keyMaxBytes })).toThrow(/keyMaxBytes/);
    },
  );

  it("refuses values that no message can carry", () => {
    expect(() => resolveLimits({ valueMaxBytes: 8 << 20 })).toThrow(/valueMaxBytes/);
  });
});

describe("a key", () => {
  const get = (key: string) => fromGetRequest(create(GetRequestSchema, { namespace: "n", key }), limits);

  it.each(["k".repeat(512), `${"\u20ac".repeat(170)}kk`, "\u{1f600}".repeat(128)])(
    "of 512 bytes of UTF-8 is taken",
    (key) => {
      expect(get(key).key).toBe(key);
    },
  );

  it.each(["k".repeat(513), "\u20ac".repeat(171), `${"\u{1f600}".repeat(128)}k`])(
    "of 513 bytes of UTF-8 is refused",
    (key) => {
      expect(() => get(key)).toThrow(/key must be 1 to 512 bytes/);
    },
  );
});

describe("fromGetRequest()", () => {
  it("takes the batch's namespace only when the request names none", () => {
    const request = create(GetRequestSchema, { key: "k" });
    expect(fromGetRequest(request, limits, "batch").namespace).toBe("batch");
    expect(fromGetRequest({ ...request, namespace: "own" }, limits, "batch").namespace).toBe("own");
    expect(() => fromGetRequest(request, limits)).toThrow(/namespace/);
  });

  it("refuses a version that is no safe number", () => {
    const request = create(GetRequestSchema, { namespace: "n", key: "k", ifVersion: 2n ** 53n });
    expect(() => fromGetRequest(request, limits)).toThrow(/if_version/);
  });
});

describe("fromSetRequest()", () => {
  it("takes the longest lifetimes and refuses one millisecond more", () => {
    const longest = BigInt(limits.lifetimeMaxMs);
    const request = create(SetRequestSchema, { namespace: "n", key: "k", ttlMs: longest, staleMs: longest });
    expect(fromSetRequest(request, limits, writer)).toMatchObject({
      ttlMs: limits.lifetimeMaxMs,
      staleMs: limits.lifetimeMaxMs,
    });
    expect(() => fromSetRequest({ ...request, ttlMs: longest + 1n }, limits, writer)).toThrow(/ttl_ms/);
    expect(() => fromSetRequest({ ...request, staleMs: longest + 1n }, limits, writer)).toThrow(/stale_ms/);
  });

  it("keeps the request's bytes as they are, for the store to copy", () => {
    const request = create(SetRequestSchema, { namespace: "n", key: "k", value: Buffer.from("v") });
    expect(fromSetRequest(request, limits, writer).value).toBe(request.value);
  });
});

/** Well-formed calls with hostile contents: each gets its answer, and no content is logged or repeated. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { CacheService, Gap_Reason, InvalidateRequestSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../../../src/common/errors.ts";
import { surviveWith } from "../../support/survival.ts";

const STREAMS_MAX = 16;
const survivor = surviveWith({ transport: { connectionMaxSubscriptions: STREAMS_MAX } });
const { method } = CacheService;
const client = () => survivor().running.client;
const canary = "c4n4ry";

async function refusalOf(call: Promise<unknown>): Promise<CacheError> {
  const error: unknown = await call.then(
    () => new Error("not refused"),
    (reason) => reason,
  );
  if (!(error instanceof CacheError)) throw error;
  expect(JSON.stringify([error.message, error.detail])).not.toContain(canary);
  expect(survivor().log.join()).not.toContain(canary);
  return error;
}

describe("a namespace", () => {
  it.each(["", "../b", "a:b", "A", `${canary} `, "a".repeat(65), "\u00e9", ".a", "__proto__"])(
    "%j is refused",
    async (namespace) => {
      const error = await refusalOf(client().unary(method.get, { namespace, key: canary }));
      expect(error).toMatchObject({ reason: "FIELD_INVALID", detail: { field: "namespace" } });
    },
  );
});

describe("a key", () => {
  it.each(["", canary.repeat(86), "\u20ac".repeat(171)])("out of its bound is refused", async (key) => {
    const error = await refusalOf(client().unary(method.get, { namespace: "n", key }));
    expect(error).toMatchObject({ reason: "FIELD_INVALID", detail: { field: "key" } });
  });

  it.each([
    "a\r\nb",
    "\u001b[31mred",
    "\u0000",
    "__proto__",
    "constructor",
    "\u202e",
    "k".repeat(512),
    "\u{1f600}",
  ])("%j is stored as it is and never logged", async (key) => {
    await client().unary(method.set, { namespace: "n", key, value: Buffer.from("v") });
    const { outcome } = await client().unary(method.get, { namespace: "n", key });
    expect(outcome.case).toBe("hit");
    expect(survivor().log).toEqual([]);
  });

  it("named like a property of Object.prototype has no value before it is set", async () => {
    const { outcome } = await client().unary(method.get, { namespace: "n", key: "hasOwnProperty" });
    expect(outcome.case).toBe("miss");
  });
});

describe("a set", () => {
  const at = { namespace: "n", key: canary };
  const value = Buffer.from("v");
  it.each([
    ["value", { value: new Uint8Array((1 << 20) + 1) }],
    ["value", { value, absent: true }],
    ["ttl_ms", { value, ttlMs: 2n ** 63n }],
    ["ttl_ms", { value, ttlMs: 31_536_000_001n }],
    ["stale_ms", { value, staleMs: 1n }],
    ["stale_ms", { value, ttlMs: 1n, staleMs: 2n ** 64n - 1n }],
    ["tags", { value, tags: Array.from({ length: 17 }, (_, n) => `${canary}${n}`) }],
    ["tags", { value, tags: [canary, canary] }],
    ["tags", { value, tags: [""] }],
    ["tags", { value, tags: [canary.repeat(22)] }],
    ["content_type", { value, contentType: `${canary}\r\nx: y` }],
    ["content_type", { value, contentType: canary.repeat(22) }],
    ["content_encoding", { value, contentEncoding: `${canary}\r\nx: y` }],
    ["content_encoding", { value, contentEncoding: "Zstd" }],
    ["content_encoding", { value, contentEncoding: "gzip, zstd" }],
    ["content_encoding", { value, contentEncoding: "identity" }],
    ["content_encoding", { value, contentEncoding: "x".repeat(33) }],
    ["content_encoding", { value: Buffer.of(), absent: true, contentEncoding: "zstd" }],
    ["if_absent", { value, condition: { case: "ifAbsent", value: false } }],
    ["if_version", { value, condition: { case: "ifVersion", value: 0n } }],
    ["if_version", { value, condition: { case: "ifVersion", value: 2n ** 53n } }],
    ["lease_token", { value, condition: { case: "leaseToken", value: 0n } }],
  ] as const)("with %s out of its bound is refused", async (field, request) => {
    const { tags, ...rest } = { tags: [], ...request };
    const error = await refusalOf(client().unary(method.set, { ...at, ...rest, tags: [...tags] }));
    expect(error).toMatchObject({ reason: "FIELD_INVALID", detail: { field } });
  });

  it("of the largest value is stored and read back", async () => {
    const large = new Uint8Array(1 << 20).fill(7);
    await client().unary(method.set, { namespace: "n", key: "large", value: large });
    const { outcome } = await client().unary(method.get, { namespace: "n", key: "large" });
    expect(outcome.case === "hit" && outcome.value.value.length).toBe(1 << 20);
  });
});

describe("an invalidation, a touch and a lease", () => {
  const refused: readonly (readonly [string, MessageInitShape<typeof InvalidateRequestSchema>])[] = [
    ["target", {}],
    ["keys", { target: { case: "keys", value: { keys: [] } } }],
    ["keys", { target: { case: "keys", value: { keys: [""] } } }],
    ["tags", { target: { case: "tags", value: { tags: [] } } }],
    ["prefix", { target: { case: "prefix", value: "" } }],
    ["all", { target: { case: "all", value: false } }],
    ["source_version", { target: { case: "all", value: true }, sourceVersion: 1n }],
  ];

  it.each(refused)("with a bad %s are refused", async (field, request) => {
    const error = await refusalOf(
      client().unary(method.invalidate, create(InvalidateRequestSchema, { ...request, namespace: "n" })),
    );
    expect(error).toMatchObject({ reason: "FIELD_INVALID", detail: { field } });
  });

  it("of 1,025 keys are refused", async () => {
    const keys = Array.from({ length: 1_025 }, (_, n) => `${canary}${n}`);
    const target = { case: "keys", value: { keys } } as const;
    const error = await refusalOf(client().unary(method.invalidate, { namespace: "n", target }));
    expect(error.detail).toMatchObject({ field: "keys" });
  });

  it("that would wait for an hour are refused", async () => {
    const error = await refusalOf(
      client().unary(method.lease, { namespace: "n", key: canary, waitMs: 3_600_000 }),
    );
    expect(error.detail).toMatchObject({ field: "wait_ms" });
  });
});

describe("a batch", () => {
  it("of 10,000 operations is refused", async () => {
    const operations = Array.from({ length: 10_000 }, () => ({
      operation: { case: "get" as const, value: { key: canary } },
    }));
    const error = await refusalOf(client().unary(method.batch, { namespace: "n", operations }));
    expect(error).toMatchObject({ reason: "FIELD_INVALID", detail: { field: "operations" } });
  });

  it("of more than 2 MiB is refused, and one larger than a message is cut off before", async () => {
    const of = (bytes: number, count: number) =>
      client().unary(method.batch, {
        namespace: "n",
        operations: Array.from({ length: count }, (_, n) => ({
          operation: { case: "set" as const, value: { key: `${canary}${n}`, value: new Uint8Array(bytes) } },
        })),
      });
    expect(await refusalOf(of(1_100_000, 2))).toMatchObject({ reason: "FIELD_INVALID" });
    expect(await refusalOf(of(1_000_000, 3))).toMatchObject({ reason: "LIMIT_EXCEEDED" });
  });

  it("whose results do not fit a message fails the operations that do not fit, one by one", async () => {
    await client().unary(method.set, { namespace: "n", key: "mib", value: new Uint8Array(1 << 20) });
    const operations = Array.from({ length: 6 }, () => ({
      operation: { case: "get" as const, value: { key: "mib" } },
    }));
    operations.push({ operation: { case: "get" as const, value: { key: "small" } } });
    const { results } = await client().unary(method.batch, { namespace: "n", operations });
    const outcomes = results.map(({ result }) => result.case);
    expect(outcomes).toEqual(["get", "get", "get", "error", "error", "error", "get"]);
    expect(results[3]?.result.value).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });
});

describe("a subscription", () => {
  const firstFrames = async (request: { namespace: string; prefixes?: string[]; cursor?: Uint8Array }) => {
    const cases: unknown[] = [];
    for await (const { frame } of client().serverStream(method.stream, request)) {
      cases.push(frame.case === "gap" ? frame.value.reason : frame.case);
      if (frame.case === "progress" || frame.case === "gap") break;
    }
    return cases;
  };

  it("to 10,000 prefixes is refused", async () => {
    const prefixes = Array.from({ length: 10_000 }, (_, n) => `${canary}${n}`);
    await expect(firstFrames({ namespace: "n", prefixes })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });

  it("from garbage is refused, from the future is a Gap", async () => {
    for (const cursor of [Buffer.from("garbage"), Buffer.alloc(1 << 20), Buffer.alloc(151, 1)]) {
      await expect(firstFrames({ namespace: "n", cursor })).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
      });
    }
    const { toCursor } = await import("../../../src/store/events/cursor.ts");
    const { epoch, shardCount } = survivor().running.server.store;
    const future = toCursor(epoch, Array(shardCount).fill(2 ** 40));
    expect(await firstFrames({ namespace: "n", cursor: future })).toEqual([
      "opened",
      Gap_Reason.CURSOR_AHEAD,
    ]);
    const past = toCursor(epoch ^ 1n, Array(shardCount).fill(1));
    expect(await firstFrames({ namespace: "n", cursor: past })).toEqual(["opened", Gap_Reason.EPOCH_CHANGED]);
  });

  it("beyond connectionMaxSubscriptions is RESOURCE_EXHAUSTED", async () => {
    const crowded = survivor().running.connect();
    const open = Array.from({ length: STREAMS_MAX }, () =>
      crowded.serverStream(method.stream, { namespace: "n" }),
    );
    await Promise.all(open.map((call) => new Promise((resolve) => call.once("data", resolve))));
    const refused = crowded.serverStream(method.stream, { namespace: "n" });
    const error = await new Promise((resolve) => refused.once("error", resolve));
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    for (const call of open) {
      call.on("error", () => {});
      call.cancel();
    }
  });
});

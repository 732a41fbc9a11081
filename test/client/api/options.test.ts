/** Options and arguments: defaults, presets, and errors that name the field and its range. */
import { describe, expect, it } from "vitest";
import { resolveNamespaceOptions } from "../../../src/client/api/namespace-options.ts";
import { resolveClientOptions } from "../../../src/client/api/options.ts";
import { type ClientOptions, json, MeshCache, type NamespaceOptions } from "../../../src/index.ts";

const address = "127.0.0.1:1";
const client = resolveClientOptions({ address });

describe("resolveClientOptions()", () => {
  it("has the defaults of the design", () => {
    expect(client).toMatchObject({
      addresses: [address],
      leaseMs: 5_000,
      pingMs: 1_000,
      deadlineMs: 2_000,
      nearCache: { values: "frozen", prefixes: [] },
      probeShare: 0,
    });
  });

  it("lets any option win over its preset", () => {
    expect(resolveClientOptions({ address, preset: "tight" })).toMatchObject({
      leaseMs: 1_000,
      pingMs: 200,
      silenceMaxMs: 1_000,
    });
    expect(resolveClientOptions({ address, preset: "tight", pingMs: 100 })).toMatchObject({ pingMs: 100 });
    expect(resolveClientOptions({ address, preset: "remote" }).nearCache).toBeUndefined();
    expect(resolveClientOptions({ address, leaseMs: 500 }).pingMs).toBe(500);
  });

  it.each<[string, Partial<ClientOptions>]>([
    ["address", { address: [] }],
    ["address", { address: "" }],
    ["clientId", { clientId: "a b" }],
    ["leaseMs", { leaseMs: 10 }],
    ["pingMs", { leaseMs: 100, pingMs: 101 }],
    ["silenceMaxMs", { silenceMaxMs: 49 }],
    ["deadlineMs", { deadlineMs: 0 }],
    ["deadlineMs", { deadlineMs: 1.5 }],
    ["inFlightMaxOperations", { inFlightMaxOperations: 0 }],
    ["inFlightMaxBytes", { inFlightMaxBytes: 1 }],
    ["backoffMaxMs", { backoffMinMs: 100, backoffMaxMs: 99 }],
    ["nearCache.maxBytes", { nearCache: { maxBytes: 1 } }],
    ["nearCache.prefixes", { nearCache: { prefixes: [""] } }],
    ["telemetry.probeShare", { telemetry: { probeShare: 1.1 } }],
  ])("names %s when it is out of its range", (field, options) => {
    expect(() => new MeshCache({ address, ...options })).toThrow(
      expect.objectContaining({ reason: "FIELD_INVALID", detail: expect.objectContaining({ field }) }),
    );
  });

  it("knows its presets", () => {
    expect(() => resolveClientOptions({ address, preset: JSON.parse('"loose"') })).toThrow("preset");
  });
});

describe("a token without TLS", () => {
  const token = () => "secret";
  const REFUSED = expect.objectContaining({
    reason: "FIELD_INVALID",
    detail: expect.objectContaining({ field: "token", bound: expect.stringContaining("plaintext") }),
  });

  it.each([["127.0.0.1:50051"], ["127.8.0.1:1"], ["[::1]:50051"], ["localhost:50051"]])(
    "may go to %s",
    (loopback) => expect(resolveClientOptions({ address: loopback, token }).token).toBe(token),
  );

  it.each([
    ["cache.example:50051"],
    ["10.0.0.1:50051"],
    ["0.0.0.0:50051"],
    ["127.0.0.1.evil.example:50051"],
    ["localhost.evil.example:1"],
    ["[::2]:50051"],
  ])("may not go to %s, unless it is told that others encrypt", (beyond) => {
    expect(() => resolveClientOptions({ address: beyond, token })).toThrow(REFUSED);
    expect(() => resolveClientOptions({ address: [address, beyond], token })).toThrow(REFUSED);
    expect(() => resolveClientOptions({ address: beyond, token, plaintext: false })).toThrow(REFUSED);
    expect(resolveClientOptions({ address: beyond, token, plaintext: true }).token).toBe(token);
    expect(resolveClientOptions({ address: beyond, token, tls: {} }).token).toBe(token);
    expect(resolveClientOptions({ address: beyond }).token).toBeUndefined();
  });
});

describe("resolveNamespaceOptions()", () => {
  const codec = json<string>();

  it("takes what it does not say from the client", () => {
    const resolved = resolveNamespaceOptions({ codec, ttlMs: 60_000 }, client);
    expect(resolved).toMatchObject({ staleMs: 0, negativeTtlMs: 30_000, nearCache: { values: "frozen" } });
    const remote = resolveClientOptions({ address, nearCache: false });
    expect(resolveNamespaceOptions({ codec }, remote).nearCache).toBeUndefined();
    expect(resolveNamespaceOptions({ codec, nearCache: {} }, remote).nearCache).toBeDefined();
    expect(resolveNamespaceOptions({ codec, nearCache: false }, client).nearCache).toBeUndefined();
  });

  it.each<[string, Partial<NamespaceOptions<string>>]>([
    ["ttlMs", { ttlMs: -1 }],
    ["staleMs", { staleMs: 1 }],
    ["negativeTtlMs", { negativeTtlMs: 0 }],
    ["ttlJitter", { ttlJitter: 0.6 }],
  ])("names %s when it is out of its range", (field, options) => {
    expect(() => resolveNamespaceOptions({ codec, ...options }, client)).toThrow(
      expect.objectContaining({ detail: expect.objectContaining({ field }) }),
    );
  });
});

describe("Arguments of calls", () => {
  const cache = new MeshCache({ address });
  const users = cache.namespace("users", { codec: json<string>(), nearCache: false });

  it.each<[string, () => Promise<unknown>]>([
    ["key", () => users.get("")],
    ["key", () => users.get("x".repeat(16_385))],
    ["key", () => users.set("\ud800", "v")],
    ["key", () => users.getOrLoad("", () => "v")],
    ["key", () => users.invalidate({ keys: [""] })],
    ["tags", () => users.set("k", "v", { tags: [""] })],
    ["prefix", () => users.invalidate({ prefix: "" })],
    ["ttlMs", () => users.set("k", "v", { ttlMs: -1 })],
    ["deadlineMs", () => users.get("k", { deadlineMs: 0 })],
    ["hardTimeoutMs", () => users.getOrLoad("k", () => "v", { hardTimeoutMs: 0 })],
    ["softTimeoutMs", () => users.getOrLoad("k", () => "v", { softTimeoutMs: -1 })],
    ["deadlineMs", () => users.getOrLoad("k", () => "v", { deadlineMs: 0 })],
    ["deadlineMs", () => cache.sync({ deadlineMs: 0 })],
    ["graceMs", () => cache.close({ graceMs: -1 })],
    // JavaScript lets these through: a slip must not clear a namespace.
    ["target", () => users.invalidate(JSON.parse("{}"))],
    ["target", () => users.invalidate(JSON.parse('{ "key": "k" }'))],
    ["target", () => users.invalidate(JSON.parse('{ "all": false }'))],
    // No server can be set to take more. What this server takes is known when it has hasOpened.
    ["value", () => users.set("k", "x".repeat(64 * 2 ** 20 + 1))],
  ])("are checked before anything is sent: %s", async (field, call) => {
    await expect(call()).rejects.toMatchObject({ reason: "FIELD_INVALID", detail: { field } });
    expect(cache.stats().connection.state).toBe("idle");
  });

  it("a namespace is checked when it is opened", () => {
    expect(() => cache.namespace("../b")).toThrow("namespace");
  });
});

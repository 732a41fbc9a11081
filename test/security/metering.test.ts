/** How much principals may use: every kind of call is metered, by one rate for all workers, and a refusal says when to return. */
import { once } from "node:events";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import {
  CacheService,
  ExchangeRequestSchema,
  type ExchangeResponse,
  type OperationResult,
  OperationResultSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { systemClock } from "../../src/common/clock.ts";
import { quotaSpent } from "../../src/common/errors.ts";
import type { ServiceClient } from "../../src/rpc/client.ts";
import { fromServiceError, fromStatus, toStatus } from "../../src/rpc/status.ts";
import { PERMISSIONS } from "../../src/security/access/access.ts";
import { RESULT_MIN_BYTES } from "../../src/server/operations/batch-size.ts";
import { runCommand } from "../support/command-line.ts";
import { eventually } from "../support/eventually.ts";
import { as, GuardedServers, type LimitedRights, policyOf } from "../support/guarded-servers.ts";
import { startServer } from "../support/running-server.ts";

let servers: GuardedServers;
beforeEach(() => {
  servers = new GuardedServers();
});
afterEach(() => servers[Symbol.asyncDispose]());

const { method } = CacheService;
const namespace = "orders";
const limitedTo = (limits: Readonly<Record<string, number>>): LimitedRights => ({
  limits,
  allow: [{ namespaces: ["*"], may: PERMISSIONS }],
});
/** Nothing comes back while a test runs: time stands still for rates alone. */
function createStoppedClock() {
  let micros = systemClock.nowMicros();
  return {
    ...systemClock,
    nowMicros: () => micros,
    advance: (byMs: number) => {
      micros += byMs * 1_000;
    },
  };
}

const spent = (limit: string, bound: number) => ({
  reason: "LIMIT_EXCEEDED",
  detail: { limit, bound: String(bound) },
  retryAfterMs: expect.any(Number),
});
const settle = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );
const get = (client: ServiceClient, name: string) =>
  settle(client.unary(method.get, { namespace, key: "k" }, as(name)));
const errorOf = (result: OperationResult | undefined): unknown =>
  result?.result.case === "error" ? fromStatus(result.result.value) : undefined;

describe.each(["on", "off"] as const)("operations a second with acceleration %s", (acceleration) => {
  it("bound unary calls, Stream, Stats and each operation of batches and exchanges", async () => {
    const running = await servers.start(
      { few: limitedTo({ operationsPerSecond: 1, operationsBurst: 10 }), other: limitedTo({}) },
      { acceleration, clock: createStoppedClock() },
    );
    const client = servers.clientOf(running);
    for (let call = 0; call < 7; call += 1) expect(await get(client, "few")).toBeUndefined();
    const operation = { operation: { case: "get", value: { namespace, key: "k" } } } as const;
    const { results } = await client.unary(
      method.batch,
      { operations: [operation, operation, operation, operation, operation] },
      as("few"),
    );
    const refused = spent("operations_per_second", 1);
    expect(results.map(errorOf)).toEqual([
      undefined,
      undefined,
      undefined,
      expect.objectContaining(refused),
      expect.objectContaining(refused),
    ]);
    expect(await get(client, "few")).toMatchObject(refused);
    const { retryAfterMs } = Object(await get(client, "few"));
    expect(retryAfterMs).toBeGreaterThanOrEqual(1_000);
    expect(retryAfterMs).toBeLessThanOrEqual(1_001);
    expect(await settle(client.unary(AdminService.method.stats, {}, as("few")))).toMatchObject(refused);
    const stream = client.serverStream(method.stream, { namespace }, as("few"));
    stream.on("data", () => {});
    const [streamError] = await once(stream, "error");
    expect(fromServiceError(Object.assign(streamError))).toMatchObject(refused);

    const exchange = client.bidi(method.exchange, as("few"));
    servers.defer(() => exchange.cancel());
    exchange.on("error", () => {});
    const frames: ExchangeResponse[] = [];
    exchange.on("data", (frame: ExchangeResponse) => void frames.push(frame));
    exchange.write(create(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: {} } }));
    exchange.write(
      create(ExchangeRequestSchema, {
        id: 2n,
        frame: { case: "batch", value: { operations: [operation, operation] } },
      }),
    );
    await eventually(() => expect(frames).toHaveLength(2));
    const [, answer] = frames;
    const answers = answer?.frame.case === "batch" ? answer.frame.value.results : [];
    expect(answers.map(errorOf)).toMatchObject([refused, refused]);

    // Another principal is not held back, and the refusals are counted, and logged with who it was.
    expect(await get(client, "other")).toBeUndefined();
    expect(running.observed.quotaRefusals()).toMatchObject({ operations_per_second: 8, bytes_per_second: 0 });
    expect(running.logged).toContain(
      'a principal has used what it may {"audit":"limited","principal":"few","limit":"operations_per_second","unlogged":0}',
    );
  });

  it("bound Sets by leases that there are not", async () => {
    const running = await servers.start(
      { few: limitedTo({ operationsPerSecond: 10, operationsBurst: 2 }) },
      { acceleration, clock: createStoppedClock() },
    );
    const client = servers.clientOf(running);
    const { outcome } = await client.unary(method.lease, { namespace, key: "k" }, as("few"));
    const fill = (value: bigint) =>
      client.unary(method.set, { namespace, key: "k", condition: { case: "leaseToken", value } }, as("few"));
    const errors: unknown[] = [];
    for (let call = 0; call < 110; call += 1) errors.push(await settle(fill(7n)));
    expect(errors.findIndex((error) => error !== undefined)).toBe(100);
    expect(errors.slice(100)).toEqual(Array(10).fill(expect.objectContaining({ reason: "LIMIT_EXCEEDED" })));
    if (outcome.case !== "granted") throw new Error("no lease");
    expect(await settle(fill(outcome.value.token))).toMatchObject({ reason: "LIMIT_EXCEEDED" });
  });

  it("are counted for what repairs copies and leases, and never refuse it", async () => {
    const clock = createStoppedClock();
    const running = await servers.start(
      { few: limitedTo({ operationsPerSecond: 10, operationsBurst: 2 }) },
      { acceleration, clock },
    );
    const client = servers.clientOf(running);
    const lease = await client.unary(method.lease, { namespace, key: "k" }, as("few"));
    const token = lease.outcome.case === "granted" ? lease.outcome.value.token : 0n;
    expect(await get(client, "few")).toBeUndefined();
    expect(await get(client, "few")).toMatchObject({ reason: "LIMIT_EXCEEDED" });
    const fill = { namespace, key: "k", condition: { case: "leaseToken" as const, value: token } };
    expect((await client.unary(method.set, fill, as("few"))).outcome.case).toBe("stored");
    await client.unary(method.touch, { namespace, key: "k", ttlMs: 1_000n }, as("few"));
    await client.unary(method.lease, { namespace, key: "k", releaseToken: 7n }, as("few"));
    const keys = { case: "keys" as const, value: { keys: ["k"] } };
    for (let call = 0; call < 20; call += 1)
      await client.unary(method.invalidate, { namespace, target: keys }, as("few"));
    // They leave a debt of one burst at most.
    expect(await get(client, "few")).toMatchObject({ reason: "LIMIT_EXCEEDED" });
    clock.advance(301);
    expect(await get(client, "few")).toBeUndefined();
  });

  it("follow the policy when it is replaced", async () => {
    const clock = createStoppedClock();
    const running = await servers.start(
      { few: limitedTo({ operationsPerSecond: 1, operationsBurst: 1 }) },
      { acceleration, clock },
    );
    const client = servers.clientOf(running);
    expect([await get(client, "few"), await get(client, "few")]).toEqual([undefined, expect.anything()]);
    const replaced = (times: number) =>
      eventually(() =>
        expect(running.logged.filter((line) => line.includes("policy was replaced"))).toHaveLength(times),
      );
    running.replace(policyOf({ few: limitedTo({ operationsPerSecond: 100 }) }));
    await replaced(1);
    clock.advance(100);
    for (let call = 0; call < 10; call += 1) expect(await get(client, "few")).toBeUndefined();
    expect(await get(client, "few")).toMatchObject(spent("operations_per_second", 100));
    running.replace(policyOf({ few: limitedTo({}) }));
    await replaced(2);
    for (let call = 0; call < 120; call += 1) expect(await get(client, "few")).toBeUndefined();
  });
});

describe.each(["on", "off"] as const)("bytes a second with acceleration %s", (acceleration) => {
  it("bound values that are set and read, with the last one beyond, until it is paid for", async () => {
    const clock = createStoppedClock();
    const running = await servers.start(
      { few: limitedTo({ bytesPerSecond: 10_000, bytesBurst: 10_000 }), other: limitedTo({}) },
      { acceleration, clock },
    );
    const client = servers.clientOf(running);
    const set = (name: string) =>
      settle(client.unary(method.set, { namespace, key: "k", value: Buffer.alloc(6_000) }, as(name)));
    const refused = spent("bytes_per_second", 10_000);
    expect([await set("few"), await get(client, "few"), await get(client, "few")]).toEqual([
      undefined,
      undefined,
      expect.objectContaining(refused),
    ]);
    expect(await set("few")).toMatchObject(refused);
    expect(await get(client, "other")).toBeUndefined();
    clock.advance(205);
    expect(await get(client, "few")).toBeUndefined();
    expect(await get(client, "few")).toMatchObject(refused);
  });
});

it("operations a second are those of all workers together", async () => {
  const running = await startServer({
    workers: 2,
    security: servers.security({ few: limitedTo({ operationsPerSecond: 1, operationsBurst: 30 }) }),
  });
  servers.defer(() => running.stop());
  const clients = Array.from({ length: 6 }, () => servers.clientOf(running));
  const beganMs = systemClock.nowMs();
  const outcomes = await Promise.all(
    clients.flatMap((client) => Array.from({ length: 10 }, () => get(client, "few"))),
  );
  const admitted = outcomes.filter((outcome) => outcome === undefined).length;
  const elapsedS = (systemClock.nowMs() - beganMs) / 1_000;
  expect(admitted).toBeGreaterThanOrEqual(30);
  expect(admitted).toBeLessThanOrEqual(30 + Math.ceil(elapsedS));
});

it("the error of a spent quota fits into what is kept for a result of a batch", () => {
  const value = toStatus(quotaSpent("operations_per_second", 10 ** 9, 86_400_000.5));
  const result = create(OperationResultSchema, { result: { case: "error", value } });
  expect(toBinary(OperationResultSchema, result).length).toBeLessThanOrEqual(RESULT_MIN_BYTES);
});

describe("meshcache policy", () => {
  it("shows the limits of a principal, and tells all faults of them at once", async () => {
    const file = servers.folder.write(
      "limits.yaml",
      policyOf({ few: limitedTo({ bytesPerSecond: 2 ** 20 }) }),
    );
    const flags = ["--policy", file];
    const check = await runCommand([
      "policy",
      "check",
      ...flags,
      "--as",
      "token:few",
      "--may",
      "read",
      "--namespace",
      "x",
    ]);
    expect(check.stdout).toContain("limits: bytesPerSecond 1 MiB");
    expect((await runCommand(["policy", "print", ...flags])).stdout).toContain(
      "limits: bytesPerSecond 1 MiB",
    );
    const bad = servers.folder.write(
      "bad.yaml",
      policyOf({ few: limitedTo({ operationsPerSecond: 0, bytesBurst: 2_000, canary: 1 }) }),
    );
    const { stderr, exitCode } = await runCommand(["policy", "print", "--policy", bad]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/operationsPerSecond: must be a whole number from 1/);
    expect(stderr).toMatch(/canary/);
  });
});

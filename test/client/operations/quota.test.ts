/** What a client does whose quota is spent: it waits as long as the server says, sends again what has not run, and says so if it cannot. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Call, CallPlan } from "../../../src/client/connection/pending-call.ts";
import { getOperation, invalidateOperation } from "../../../src/client/messages/requests.ts";
import { QuotaWaits } from "../../../src/client/operations/quota-waits.ts";
import { type CacheError, quotaSpent } from "../../../src/common/errors.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { json } from "../../../src/index.ts";
import { PERMISSIONS } from "../../../src/security/access/access.ts";
import { eventually } from "../../support/eventually.ts";
import { GuardedServers } from "../../support/guarded-servers.ts";
import { ManualClock } from "../../support/manual-clock.ts";

class TestCall extends Call {
  error: CacheError | undefined;

  constructor(deadlineAtMs: number) {
    super(new CallPlan("orders", getOperation("k", false), 1, deadlineAtMs, "anyEpoch", false, false, false));
  }

  protected override currentCoverage(): number {
    return 0;
  }
  protected override answered(): void {}
  protected override late(): void {}
  protected override failed(error: CacheError): void {
    this.error = error;
  }
}

function createWaits() {
  const clock = new ManualClock();
  const sent: Call[] = [];
  const rng = createSeededRng(7);
  const waits = new QuotaWaits({ clock, rng, send: (call) => void sent.push(call) });
  const callFor = (ms: number) => new TestCall(clock.nowMs() + ms);
  return { clock, sent, waits, callFor };
}

const rate = (retryAfterMs: number) => quotaSpent("operations_per_second", 10, retryAfterMs);
const { operation: get } = getOperation("k", false);
const { operation: invalidate } = invalidateOperation({ case: "all", value: true }, false, 0n);

describe("QuotaWaits", () => {
  it("sends a call again after the time that the server asked for, and not before", () => {
    const { clock, sent, waits, callFor } = createWaits();
    const call = callFor(10_000);
    expect(waits.wait(call, rate(100), 1)).toBe(true);
    clock.advance(99);
    expect(sent).toEqual([]);
    clock.advance(201);
    expect(sent).toEqual([call]);
  });

  it("tells the caller when the deadline comes first, or the call was refused often", () => {
    const { waits, callFor } = createWaits();
    expect(waits.wait(callFor(100), rate(100), 1)).toBe(false);
    expect(waits.wait(callFor(101), rate(100), 1)).toBe(true);
    expect(waits.wait(callFor(10_000), rate(100), 4)).toBe(false);
    expect(waits.wait(callFor(10_000), quotaSpent("keys", 1, 0), 1)).toBe(false);
  });

  it("holds back what would be refused too, and nothing else", () => {
    const { clock, waits, callFor } = createWaits();
    expect(waits.asked).toBe(false);
    waits.wait(callFor(10_000), rate(100), 1);
    expect(waits.asked).toBe(true);
    clock.advance(40);
    expect(waits.refusalOf(get)).toMatchObject({ reason: "LIMIT_EXCEEDED", retryAfterMs: 60 });
    expect(waits.refusalOf(invalidate)).toBeUndefined();
    clock.advance(60);
    expect(waits.refusalOf(get)).toBeUndefined();
    expect(waits.asked).toBe(false);
    // What is not a rate concerns the one call alone.
    waits.wait(callFor(10_000), quotaSpent("principal_held_bytes", 1, 1_000), 1);
    expect(waits.asked).toBe(false);
  });

  it("fails what waits when the client is closed, and takes no more", () => {
    const { clock, sent, waits, callFor } = createWaits();
    const [waiting, gone] = [callFor(10_000), callFor(10_000)];
    waits.wait(waiting, rate(100), 1);
    waits.wait(gone, rate(100), 1);
    waits.close();
    expect(waiting.error).toMatchObject({ reason: "CLOSED" });
    expect(waits.wait(callFor(10_000), rate(100), 1)).toBe(false);
    clock.advance(1_000);
    expect(sent).toEqual([]);
  });
});

describe("the client of a server with quotas", () => {
  let servers: GuardedServers;
  beforeEach(() => {
    servers = new GuardedServers();
  });
  afterEach(() => servers[Symbol.asyncDispose]());

  const start = (limits: Readonly<Record<string, number>>) =>
    servers.start({ few: { limits, allow: [{ namespaces: ["*"], may: PERMISSIONS }] } });

  it("waits, and gets all that it asked for", async () => {
    const running = await start({ operationsPerSecond: 50, operationsBurst: 5 });
    const cache = servers.cacheOf(running, "few", { deadlineMs: 20_000 });
    const orders = cache.namespace("orders", { codec: json<number>(), nearCache: false });
    const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
    for (const [at, key] of keys.entries()) await orders.set(key, at);
    for (const [at, key] of keys.entries()) expect(await orders.get(key)).toMatchObject({ value: at });
    expect(running.observed.quotaRefusals().operations_per_second).toBeGreaterThan(0);
    expect(cache.stats().connection.retries).toBeGreaterThan(0);
  });

  it("is told by a typed error when it cannot wait, and may invalidate all the same", async () => {
    const running = await start({ operationsPerSecond: 1, operationsBurst: 2 });
    const cache = servers.cacheOf(running, "few", { deadlineMs: 500 });
    const orders = cache.namespace("orders", { codec: json<string>(), nearCache: false });
    await orders.set("k", "v");
    await orders.set("k", "v");
    await expect(orders.get("k")).rejects.toMatchObject({
      reason: "LIMIT_EXCEEDED",
      detail: { limit: "operations_per_second", bound: "1" },
      retryAfterMs: expect.any(Number),
    });
    await orders.invalidate({ keys: ["k"] });
    const gaveUp = new AbortController();
    const waiting = orders.get("k", { deadlineMs: 60_000, signal: gaveUp.signal });
    await eventually(() => expect(cache.stats().connection.inFlight).toBe(0));
    gaveUp.abort();
    await expect(waiting).rejects.toMatchObject({ reason: "CANCELLED" });
  });
});

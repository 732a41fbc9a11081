/** A server that is gone without a word is found by pings and unanswered calls, however long the lease is. */
import { describe, expect, it } from "vitest";
import { json, MeshCache } from "../../src/index.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { startServer } from "../support/running-server.ts";
import { createScriptedClient, hit, NAMESPACE } from "../support/scripted-client.ts";
import { withTestTls } from "../support/test-tls.ts";
import { until } from "../support/until.ts";

const codec = json<string>();
const LEASE_MS = 30_000;

describe("T7: a half-open peer and a long lease", () => {
  const silent = async (options: { readonly pingMs: number; readonly silenceMaxMs: number }) => {
    const client = createScriptedClient({ leaseMs: LEASE_MS, deadlineMs: 2_000, ...options });
    const users = client.cache.namespace(NAMESPACE, { codec });
    await client.settle();
    const first = users.get("k");
    await client.settle();
    client.server.link.takeBatch().answer(hit("v1", { revision: 5 }));
    await first;
    const { link } = client.server;
    link.stopAnswering();
    /** How long it takes until the client has given the connection up, in steps of 10 ms. */
    const timeToCutMs = async (): Promise<number> => {
      for (let passedMs = 0; passedMs <= LEASE_MS; passedMs += 10) {
        if (link.closedByClient) return passedMs;
        client.clock.advance(10);
        await client.settle();
      }
      return Number.POSITIVE_INFINITY;
    };
    return { ...client, users, link, timeToCutMs };
  };

  it.each([
    { pingMs: 1_000, silenceMaxMs: 3_000 },
    { pingMs: 100, silenceMaxMs: 500 },
    { pingMs: 3_000, silenceMaxMs: 1_000 },
  ])("is found by pings within pingMs and one and a half times silenceMaxMs: %o", async (options) => {
    const { timeToCutMs } = await silent(options);
    const foundMs = await timeToCutMs();
    expect(foundMs).toBeGreaterThan(options.silenceMaxMs);
    expect(foundMs).toBeLessThanOrEqual(options.pingMs + 1.5 * options.silenceMaxMs);
  });

  it("is found by an unanswered call where pings are rare", async () => {
    const { users, timeToCutMs } = await silent({ pingMs: LEASE_MS, silenceMaxMs: 1_000 });
    const unanswered = users.get("other").catch((error) => error.reason);
    const foundMs = await timeToCutMs();
    expect(foundMs).toBeLessThanOrEqual(2_000 + 1.5 * 1_000);
    expect(await unanswered).toBe("DEADLINE");
  });

  it("is not suspected of an answer that is only late", async () => {
    const { users, link, clock, settle } = await silent({ pingMs: LEASE_MS, silenceMaxMs: 1_000 });
    const late = users.get("other").catch((error) => error.reason);
    await settle();
    const batch = link.takeBatch();
    clock.advance(2_000);
    expect(await late).toBe("DEADLINE");
    const [asked] = link.takePings().slice(-1);
    clock.advance(900);
    batch.answer(hit("late", { revision: 6 }));
    link.progress(asked ?? 0n);
    clock.advance(10_000);
    expect(link.closedByClient).toBe(false);
  });

  it("lets calls go over the next connection soon", async () => {
    const running = await startServer();
    await using proxy = await startFaultProxy(running.address);
    const cache = new MeshCache({
      ...withTestTls,
      address: proxy.address,
      leaseMs: LEASE_MS,
      pingMs: 50,
      silenceMaxMs: 400,
      deadlineMs: 200,
    });
    const users = cache.namespace("users", { codec });
    await users.set("k", "v1", { deadlineMs: 20_000 });
    proxy.faults.blackhole = true;
    expect(await users.get("k", { maxStalenessMs: 0 }).catch((error) => error.reason)).toBe("DEADLINE");
    await until(
      async () => cache.stats().connection.state,
      (state) => state !== "ready",
    );
    proxy.faults.blackhole = false;
    await until(
      () => users.get("k", { maxStalenessMs: 0 }).then(({ kind }) => kind, String),
      (kind) => kind === "hit",
    );
    expect(cache.stats().connection.streams).toBe(2);
    await cache.close({ graceMs: 0 });
    await running.stop();
  });
});

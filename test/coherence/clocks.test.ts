/** Scenario 33: the host is suspended, or somebody sets the wall clock. No copy is served past its lease or its TTL. */
import { describe, expect, it } from "vitest";
import type { ClientOptions } from "../../src/index.ts";
import { json } from "../../src/index.ts";
import { Mesh } from "../support/mesh.ts";
import {
  createScriptedClient,
  hit,
  NAMESPACE,
  notModified,
  type ScriptedClient,
} from "../support/scripted-client.ts";

const LEASE_MS = 5_000;
const PING_MS = 1_000;
const TTL_MS = 10_000;
const HOUR_MS = 3_600_000;

interface Reader extends ScriptedClient {
  /** Whether the near cache answers now. */
  isNear(): boolean;
}

/** "k" is in the near cache, and a pulse has just been. */
async function join(options: Partial<ClientOptions> = {}, ttlMs = TTL_MS): Promise<Reader> {
  const client = createScriptedClient({ leaseMs: LEASE_MS, pingMs: PING_MS, ...options });
  const users = client.cache.namespace(NAMESPACE, { codec: json<string>() });
  await client.settle();
  const first = users.get("k");
  await client.settle();
  client.server.link.takeBatch().answer(hit("v1", { revision: 5, ttlMs }));
  await first;
  const isNear = (): boolean => {
    const { hits } = client.cache.stats().near;
    users.get("k").catch(() => undefined);
    return client.cache.stats().near.hits > hits;
  };
  expect(isNear()).toBe(true);
  return { ...client, isNear };
}

describe("T6: clocks that stop or jump", () => {
  it("scenario 33: the first read after a suspension beyond the lease goes to the server, before any timer", async () => {
    const { clock, isNear } = await join({}, 0);
    clock.suspend(LEASE_MS + 1);
    expect(isNear()).toBe(false);
  });

  it("scenario 33: a suspension counts in full for the TTL, to the millisecond", async () => {
    const { clock, isNear } = await join({ leaseMs: 60_000 });
    clock.suspend(TTL_MS - 1);
    expect(isNear()).toBe(true);
    clock.suspend(1);
    expect(isNear()).toBe(false);
  });

  it("scenario 33: the pulse after a suspension makes copies suspect, and they are revalidated", async () => {
    const { cache, clock, server, settle, isNear } = await join({ leaseMs: 60_000 }, 0);
    clock.suspend(2_000);
    expect(isNear()).toBe(true);
    clock.advance(PING_MS);
    expect(isNear()).toBe(false);
    expect(cache.stats().events.clocksDiverged).toBe(1);
    await settle();
    const { operations } = server.link.takeBatch();
    expect(operations[0]?.operation).toMatchObject({ case: "get", value: { key: "k", ifVersion: 5n } });
  });

  it.each([HOUR_MS, 2 * PING_MS])(
    "scenario 33: a wall clock set back by %i ms prolongs nothing",
    async (byMs) => {
      const { cache, clock, isNear } = await join();
      clock.advance(PING_MS - 1);
      clock.setWall(-byMs);
      // Before the pulse: the time is from before the last one.
      expect(isNear()).toBe(false);
      clock.advance(1);
      expect(cache.stats().events.clocksDiverged).toBe(1);
      // After it: suspect.
      expect(isNear()).toBe(false);
    },
  );

  it("scenario 33: a wall clock set forth by an hour only ends copies early", async () => {
    const { cache, clock, isNear } = await join({}, 0);
    clock.setWall(HOUR_MS);
    expect(isNear()).toBe(false);
    clock.advance(PING_MS);
    expect(isNear()).toBe(false);
    expect(cache.stats().events.clocksDiverged).toBe(1);
  });

  it("scenario 33: forth and back between two pulses prolongs no TTL", async () => {
    const { clock, server, settle, isNear, cache } = await join({ leaseMs: 60_000 });
    const users = cache.namespace(NAMESPACE, { codec: json<string>() });
    clock.setWall(HOUR_MS);
    const read = users.get("k", { maxStalenessMs: 0 });
    await settle();
    server.link.takeBatch().answer(hit("v2", { revision: 6, ttlMs: TTL_MS }));
    await read;
    clock.setWall(-HOUR_MS);
    clock.leap(TTL_MS - 1);
    expect(isNear()).toBe(true);
    clock.leap(1);
    expect(isNear()).toBe(false);
  });

  it("scenario 33: a clock set back by less than the time since the pulse is late by that, and until the next pulse", async () => {
    const { clock, isNear } = await join({ leaseMs: 60_000 });
    clock.advance(TTL_MS - 500);
    clock.advance(400);
    clock.setWall(-300);
    clock.leap(100);
    expect(isNear()).toBe(true);
    clock.leap(299);
    expect(isNear()).toBe(true);
    clock.leap(1);
    expect(isNear()).toBe(false);
    clock.setWall(-200);
    expect(isNear()).toBe(true);
    clock.advance(0);
    expect(isNear()).toBe(false);
  });

  it("scenario 33: a ping from before a wall clock was set back renews no lease after it", async () => {
    const { clock, server, settle, isNear } = await join({ silenceMaxMs: 60_000 }, 0);
    server.link.stopAnswering();
    clock.advance(PING_MS);
    const old = server.link.takePings().at(-1) ?? 0n;
    clock.setWall(-HOUR_MS);
    clock.advance(PING_MS);
    server.link.progress(old);
    await settle();
    // The copy is revalidated, and the lease is not renewed.
    server.link.takeBatch().answer(notModified({ revision: 5 }));
    expect(isNear()).toBe(false);
    server.link.progress(server.link.takePings().at(-1));
    expect(isNear()).toBe(true);
  });

  it("scenario 33: no lease from before a wall clock was set back outlives the pulse", async () => {
    const { clock, server, settle, isNear } = await join({ silenceMaxMs: 60_000 }, 0);
    clock.setWall(-HOUR_MS);
    clock.advance(PING_MS);
    server.link.stopAnswering();
    await settle();
    server.link.takeBatch().answer(notModified({ revision: 5 }));
    expect(isNear()).toBe(true);
    clock.leap(LEASE_MS);
    expect(isNear()).toBe(true);
    clock.leap(1);
    expect(isNear()).toBe(false);
  });

  it("scenario 33: what was asked before a divergence is not kept after it", async () => {
    const { clock, server, settle, isNear, cache } = await join();
    const users = cache.namespace(NAMESPACE, { codec: json<string>() });
    const read = users.get("k", { maxStalenessMs: 0 });
    await settle();
    clock.setWall(-HOUR_MS);
    clock.advance(PING_MS);
    await settle();
    server.link.takeBatch().answer(hit("v1", { revision: 5, ttlMs: TTL_MS }));
    await read;
    expect(isNear()).toBe(false);
  });

  it("scenario 33: shares no load from before a suspension longer than the lease", async () => {
    const { clock, cache } = await join();
    const rows = cache.namespace("rows", { codec: json<string>(), nearCache: false });
    const isShared = (): boolean => {
      const { loadsShared } = cache.stats().loads;
      rows.getOrLoad("r", () => "loaded").catch(() => undefined);
      return cache.stats().loads.loadsShared > loadsShared;
    };
    expect(isShared()).toBe(false);
    clock.suspend(LEASE_MS);
    expect(isShared()).toBe(true);
    clock.suspend(1);
    expect(isShared()).toBe(false);
  });

  it("scenario 33: drift of some milliseconds between two pulses is no divergence", async () => {
    const { cache, clock, isNear } = await join();
    for (let pulse = 0; pulse < 5; pulse += 1) {
      clock.setWall(pulse % 2 === 0 ? 9 : -9);
      clock.advance(PING_MS);
    }
    expect(cache.stats().events.clocksDiverged).toBe(0);
    expect(isNear()).toBe(true);
  });

  it("scenario 33: entries end at the server while its host is suspended, and no sooner when its clock is set back", async () => {
    const mesh = new Mesh();
    const cache = mesh.connect({ nearCache: false });
    const users = cache.namespace(NAMESPACE, { codec: json<string>() });
    await mesh.settle();
    await mesh.run(users.set("k", "v1", { ttlMs: TTL_MS }));
    mesh.clock.setWall(-HOUR_MS);
    await mesh.advance(TTL_MS - 2_000);
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "hit", value: "v1" });
    mesh.clock.suspend(2_000);
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "miss" });
  });
});

/** Loads in outages and loads that fail: one at a time for a key, shared with all who wait, and not repeated at once. */
import { describe, expect, it } from "vitest";
import { FAILED_LOADS_MAX, FailedLoads } from "../../../src/client/operations/failed-loads.ts";
import { createSeededRng } from "../../../src/common/random.ts";
import { json, type LoadOptions, type NamespaceOptions } from "../../../src/index.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { Mesh } from "../../support/mesh.ts";

async function start(options: Partial<NamespaceOptions<string>> = {}) {
  const mesh = new Mesh();
  const cache = mesh.connect();
  const users = cache.namespace("users", { codec: json<string>(), ttlMs: 10_000, ttlJitter: 0, ...options });
  await mesh.settle();
  return { mesh, cache, users };
}

const outcomeOf = (call: Promise<unknown>, mesh: Mesh) =>
  call.then(
    (value) => ({ value, atMs: mesh.clock.nowMs() }),
    (error) => ({ error: error instanceof Error ? error.message : error, atMs: mesh.clock.nowMs() }),
  );

/** A source that takes `tookMs`, and counts how many of its loads of a key run at once. */
function timedSource(mesh: Mesh, tookMs: number, answer: () => string) {
  const running = new Map<string, number>();
  const seen = { loads: 0, most: 0 };
  const load = (key: string) => async () => {
    seen.loads += 1;
    const now = (running.get(key) ?? 0) + 1;
    running.set(key, now);
    seen.most = Math.max(seen.most, now);
    await new Promise<void>((resolve) => mesh.clock.schedule(tookMs, resolve));
    running.set(key, now - 1);
    return answer();
  };
  return { load, seen };
}

const down = () => {
  throw new Error("down");
};

function cut(mesh: Mesh): void {
  mesh.down.add("server:1");
  mesh.link.reset();
}

describe("T1: loads in an outage", () => {
  it.each([
    ["of a source that takes 200 ms", 200],
    // Longer than a load is shared, which is the lease of the client.
    ["of a source that takes 7 s", 7_000],
  ])("are one at a time for a key: %s", async (_what, tookMs) => {
    const { mesh, cache, users } = await start();
    const source = timedSource(mesh, tookMs, () => "v");
    cut(mesh);
    await mesh.advance(500);
    const calls: Promise<unknown>[] = [];
    for (let at = 0; at < 2_750; at += 1) {
      calls.push(users.getOrLoad(`${at % 10}`, source.load(`${at % 10}`)));
      if (at % 10 === 9) await mesh.advance(36, 36);
    }
    await mesh.advance(2 * tookMs, 100);
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["v"]));
    expect(source.seen.most).toBe(1);
    expect(source.seen.loads).toBeLessThanOrEqual(10 * (Math.ceil(9_900 / tookMs) + 1));
    expect(cache.stats().loads.unkeptBy.outage).toBe(source.seen.loads);
  });

  it("are two for all who wait meanwhile and want nothing from before their call", async () => {
    const { mesh, users } = await start();
    const source = timedSource(mesh, 1_000, () => "v");
    cut(mesh);
    await mesh.advance(500);
    const load = () => users.getOrLoad("k", source.load("k"), { maxStalenessMs: 0 });
    const calls = Array.from({ length: 12 }, load);
    await mesh.advance(2_100, 100);
    expect(new Set(await Promise.all(calls))).toEqual(new Set(["v"]));
    expect(source.seen).toEqual({ loads: 2, most: 1 });
  });

  it("share the load that was begun in the background before the outage", async () => {
    const { mesh, users } = await start({ staleMs: 60_000 });
    await mesh.run(users.getOrLoad("k", () => "old"));
    await mesh.advance(10_000, 1_000);
    const source = timedSource(mesh, 1_000, () => "new");
    expect(await mesh.run(users.getOrLoad("k", source.load("k")))).toBe("old");
    cut(mesh);
    await mesh.advance(500);
    const reading = users.getOrLoad("k", source.load("k"));
    await mesh.advance(1_000);
    expect(await reading).toBe("new");
    expect(source.seen).toEqual({ loads: 1, most: 1 });
  });

  it("are one at a time when the new server grants a lease that the old one had granted", async () => {
    const { mesh, users } = await start({ staleMs: 60_000 });
    await mesh.run(users.getOrLoad("k", () => "old"));
    await mesh.advance(10_000, 1_000);
    const source = timedSource(mesh, 2_000, () => "new");
    expect(await mesh.run(users.getOrLoad("k", source.load("k")))).toBe("old");
    mesh.restart();
    await mesh.advance(300);
    const reading = users.getOrLoad("k", source.load("k"));
    await mesh.advance(2_000);
    expect(await reading).toBe("new");
    expect(source.seen).toEqual({ loads: 1, most: 1 });
    // The lease was given back.
    expect(await mesh.run(users.getOrLoad("k", () => "next"))).toBe("next");
  });
});

describe("T2: a loader that fails", () => {
  it.each<[string, (mesh: Mesh) => void]>([
    ["with the server", () => undefined],
    ["in an outage", cut],
  ])("fails for all who wait within 1.2 s, %s", async (_when, prepare) => {
    const { mesh, cache, users } = await start();
    prepare(mesh);
    await mesh.advance(500);
    const source = timedSource(mesh, 1_000, down);
    const startMs = mesh.clock.nowMs();
    const calls: Promise<{ atMs: number }>[] = [];
    for (let at = 0; at < 12; at += 1) {
      calls.push(outcomeOf(users.getOrLoad("k", source.load("k")), mesh));
      await mesh.advance(100);
    }
    await mesh.advance(500);
    for (const outcome of await Promise.all(calls)) {
      expect(outcome).toMatchObject({ error: "down" });
      expect(outcome.atMs - startMs).toBeLessThanOrEqual(1_200);
    }
    expect(source.seen.loads).toBe(1);
    expect(cache.stats().loads).toMatchObject({ loads: 1, loadFailures: 1, failuresRepeated: 2 });
  });

  it.each<[string, LoadOptions]>([
    ["none is recent enough for the next", { maxStalenessMs: 0 }],
    ["they came later than that", { maxStalenessMs: 10 }],
  ])("fails for all who wait within 1.2 s, although they share no load: %s", async (_why, options) => {
    const { mesh, users } = await start();
    const source = timedSource(mesh, 1_000, down);
    const startMs = mesh.clock.nowMs();
    const calls: Promise<{ atMs: number }>[] = [];
    for (let at = 0; at < 12; at += 1) {
      calls.push(outcomeOf(users.getOrLoad("k", source.load("k"), options), mesh));
      await mesh.advance(20, 20);
    }
    await mesh.advance(12_000);
    for (const outcome of await Promise.all(calls)) {
      expect(outcome).toMatchObject({ error: "down" });
      expect(outcome.atMs - startMs).toBeLessThanOrEqual(1_200);
    }
    expect(source.seen.loads).toBe(1);
  });

  it("is run again after its cooldown, and then as often as before", async () => {
    const { mesh, users } = await start();
    await expect(mesh.run(users.getOrLoad("k", down))).rejects.toThrow("down");
    await expect(mesh.run(users.getOrLoad("k", () => "v"))).rejects.toThrow("down");
    expect(await mesh.run(users.getOrLoad("other", () => "v"))).toBe("v");
    await mesh.advance(1_000);
    expect(await mesh.run(users.getOrLoad("k", () => "v"))).toBe("v");
    await mesh.run(users.invalidate({ keys: ["k"] }));
    expect(await mesh.run(users.getOrLoad("k", () => "w"))).toBe("w");
  });

  it("has its cooldown for a time-out too, and none with `failureCooldownMs: 0`", async () => {
    const { mesh, cache, users } = await start();
    const hung = outcomeOf(
      users.getOrLoad("k", () => new Promise<string>(() => undefined), { hardTimeoutMs: 50 }),
      mesh,
    );
    await mesh.advance(50);
    expect(await hung).toMatchObject({ error: "the loader took longer than 50 ms" });
    await expect(mesh.run(users.getOrLoad("k", () => "v"))).rejects.toMatchObject({
      reason: "LOADER_TIMEOUT",
    });
    const eager = cache.namespace("eager", { codec: json<string>(), failureCooldownMs: 0 });
    await expect(mesh.run(eager.getOrLoad("k", down))).rejects.toThrow("down");
    expect(await mesh.run(eager.getOrLoad("k", () => "v"))).toBe("v");
  });

  it("serves what another process has stored during its cooldown", async () => {
    const { mesh, users } = await start();
    await expect(mesh.run(users.getOrLoad("k", down))).rejects.toThrow("down");
    mesh.write("users", "k", "stored");
    expect(await mesh.run(users.getOrLoad("k", down))).toBe("stored");
  });

  it("serves the stale value during its cooldown, and runs once in it", async () => {
    const { mesh, cache, users } = await start({ staleMs: 60_000 });
    await mesh.run(users.getOrLoad("k", () => "old"));
    await mesh.advance(10_000, 1_000);
    const before = cache.stats().loads.loads;
    for (let at = 0; at < 260; at += 1) {
      expect(await mesh.run(users.getOrLoad("k", down))).toBe("old");
      mesh.clock.advance(3);
    }
    expect(cache.stats().loads.loads - before).toBeLessThanOrEqual(2);
  });

  it("is remembered for a bounded number of keys, each for a time that differs", () => {
    const clock = new ManualClock();
    let forgotten = 0;
    const failed = new FailedLoads({
      clock,
      rng: createSeededRng(1),
      cooldownMs: 1_000,
      onForget: () => {
        forgotten += 1;
      },
    });
    for (let at = 0; at < FAILED_LOADS_MAX + 3; at += 1) failed.failed(`${at}`, at);
    expect(forgotten).toBe(3);
    expect(failed.of("2")).toBeUndefined();
    const untilMs = new Set<number>();
    for (let at = 3; at < FAILED_LOADS_MAX + 3; at += 1)
      untilMs.add(Math.round(failed.of(`${at}`)?.untilMs ?? 0));
    expect(untilMs.size).toBeGreaterThan(100);
    const passedMs = [...untilMs].map((until) => until - clock.nowMs());
    expect(passedMs.every((ms) => ms >= 750 && ms <= 1_000)).toBe(true);
    failed.succeeded("3");
    expect(failed.of("3")).toBeUndefined();
    clock.advance(1_000);
    expect(failed.of("4")).toBeUndefined();
  });
});

describe("T3: a lease that another process holds", () => {
  async function held() {
    const { mesh, cache, users } = await start();
    const other = mesh.connect().namespace("users", { codec: json<string>() });
    await mesh.settle();
    const source = Promise.withResolvers<string>();
    const theirs = other.getOrLoad("k", () => source.promise);
    await mesh.settle();
    return { mesh, cache, users, source, theirs };
  }

  it("is waited for until the caller's deadline, and then the loader runs unkept", async () => {
    const { mesh, cache, users, source, theirs } = await held();
    const mine = outcomeOf(
      users.getOrLoad("k", () => "mine", { deadlineMs: 2_000 }),
      mesh,
    );
    const startMs = mesh.clock.nowMs();
    await mesh.advance(2_100);
    expect(await mine).toEqual({ value: "mine", atMs: startMs + 2_000 });
    expect(cache.stats().loads).toMatchObject({ loadsUnkept: 1, unkeptBy: { held: 1, outage: 0 } });
    source.resolve("theirs");
    expect(await mesh.run(theirs)).toBe("theirs");
    expect(await mesh.run(users.get("k", { maxStalenessMs: 0 }))).toEqual({ kind: "hit", value: "theirs" });
  });

  it("is waited for until the first deadline of those who wait here, whose load is shared", async () => {
    const { mesh, users } = await held();
    const load = timedSource(mesh, 100, () => "mine");
    const patient = users.getOrLoad("k", load.load("k"));
    const hurried = users.getOrLoad("k", load.load("k"), { deadlineMs: 500 });
    await mesh.advance(650);
    expect(await Promise.all([patient, hurried])).toEqual(["mine", "mine"]);
    expect(load.seen.loads).toBe(1);
  });

  it("is given back when it is granted after the deadline", async () => {
    const { mesh, users, source, theirs } = await held();
    theirs.catch(() => undefined);
    const mine = users.getOrLoad("k", () => "mine", { deadlineMs: 10 });
    await mesh.advance(50);
    expect(await mine).toBe("mine");
    source.reject(new Error("theirs failed"));
    await mesh.settle();
    const third = mesh.connect().namespace("users", { codec: json<string>() });
    await mesh.settle();
    expect(await mesh.run(third.getOrLoad("k", () => "third"))).toBe("third");
  });

  it("fails the call at its deadline with `failOpen: false`", async () => {
    const { mesh, users } = await held();
    const mine = outcomeOf(
      users.getOrLoad("k", () => "mine", { deadlineMs: 500, failOpen: false }),
      mesh,
    );
    await mesh.advance(600);
    expect(await mine).toMatchObject({ error: "there was no lease by the deadline" });
  });
});

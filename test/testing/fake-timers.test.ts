/** C13: the time of `startTestCache`: fake timers move it, and so does a clock of the test, without a sleep. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { json, type NamespaceOptions } from "../../src/index.ts";
import {
  createTestClock,
  startTestCache,
  type TestCache,
  type TestCacheOptions,
} from "../../src/testing/index.ts";

const CODEC = json<number | string>();

interface Time {
  readonly options: TestCacheOptions;
  advance(byMs: number): void;
}

const DAY_MS = 86_400_000;

function fakeTimers(): Time {
  vi.useFakeTimers();
  return { options: {}, advance: (byMs) => void vi.advanceTimersByTime(byMs) };
}

/** What jest replaces, as far as a test of vitest may. */
function fakeTimersOfJest(): Time {
  const toFake = [
    "setTimeout",
    "setInterval",
    "setImmediate",
    "queueMicrotask",
    "Date",
    "performance",
  ] as const;
  vi.useFakeTimers({ toFake: [...toFake] });
  return { options: {}, advance: (byMs) => void vi.advanceTimersByTime(byMs) };
}

function ofDate(): Time {
  vi.useFakeTimers({ toFake: ["Date"] });
  return { options: {}, advance: (byMs) => vi.setSystemTime(Date.now() + byMs) };
}

function ownClock(): Time {
  const clock = createTestClock();
  return { options: { clock }, advance: (byMs) => clock.advance(byMs) };
}

describe.each([
  ["fake timers", fakeTimers],
  ["fake timers of jest", fakeTimersOfJest],
  ["a fake Date", ofDate],
  ["a clock of the test", ownClock],
])("C13: startTestCache with %s", (_name, start) => {
  let time: Time;
  let mesh: TestCache;

  beforeEach(async () => {
    time = start();
    mesh = await startTestCache(time.options);
  });
  afterEach(async () => {
    await mesh.close();
    vi.useRealTimers();
  });

  const namespace = (options: Partial<NamespaceOptions<number | string>> = {}) =>
    mesh.cache.namespace("users", { codec: CODEC, ttlMs: 60_000, ttlJitter: 0, ...options });

  it("ends TTLs on the server, near copies included", async () => {
    const users = namespace();
    await users.set("k", 1);
    expect(await users.get("k")).toEqual({ kind: "hit", value: 1 });
    time.advance(59_000);
    expect(await users.get("k")).toEqual({ kind: "hit", value: 1 });
    time.advance(1_001);
    expect(await users.get("k")).toEqual({ kind: "miss" });
  });

  it("ends negative TTLs and stale windows", async () => {
    const users = namespace({ staleMs: 60_000, negativeTtlMs: 1_000 });
    await users.setAbsent("none");
    await users.set("k", 1);
    time.advance(1_001);
    expect((await users.get("none")).kind).toBe("miss");
    time.advance(60_000);
    expect(await users.entry("k", { allowStale: true })).toMatchObject({ kind: "hit", stale: true });
    time.advance(60_000);
    expect(await users.entry("k", { allowStale: true })).toMatchObject({ kind: "miss" });
  });

  it.each([1_000, 10_000, 60_000, 3_600_000, DAY_MS, 300 * DAY_MS])(
    "leaps %d ms, and the connection is as good as before",
    async (byMs) => {
      const users = namespace({ ttlMs: 0 });
      const other = mesh.connect().namespace("users", { codec: CODEC });
      await users.set("k", 1);
      expect(await other.get("k")).toEqual({ kind: "hit", value: 1 });
      time.advance(byMs);
      expect(await other.get("k")).toEqual({ kind: "hit", value: 1 });
      await users.set("k", 2);
      await mesh.cache.sync();
      expect((await other.get("k", { maxStalenessMs: 0 })).kind).toBe("hit");
      expect(mesh.cache.stats().connection.state).toBe("ready");
    },
  );

  it("ends the lease of a near cache: a read asks the server again", async () => {
    const users = namespace({ ttlMs: 0 });
    await users.set("k", 1);
    await users.get("k");
    const before = mesh.cache.stats().near;
    await users.get("k");
    expect(mesh.cache.stats().near.hits).toBe(before.hits + 1);
    time.advance(5_001);
    await users.get("k");
    expect(mesh.cache.stats().near.misses).toBe(before.misses + 1);
  });

  it("ends deadlines of loaders and cooldowns", async () => {
    const users = namespace();
    const never = new Promise<number>(() => undefined);
    const started = Promise.withResolvers<void>();
    const load = users.getOrLoad("k", () => {
      started.resolve();
      return never;
    });
    const failed = expect(load).rejects.toMatchObject({ reason: "LOADER_TIMEOUT" });
    await started.promise;
    time.advance(10_001);
    await failed;
    await expect(users.getOrLoad("k", () => 2)).rejects.toMatchObject({ reason: "LOADER_TIMEOUT" });
    time.advance(1_001);
    expect(await users.getOrLoad("k", () => 3)).toBe(3);
  });

  it("runs no timer by itself while time stands still", async () => {
    const users = namespace({ ttlMs: 1 });
    await users.set("k", 1);
    for (let turn = 0; turn < 20; turn += 1) await mesh.cache.sync();
    expect(await users.get("k", { maxStalenessMs: 0 })).toEqual({ kind: "hit", value: 1 });
  });
});

describe("C13: fake timers that come and go", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("may be installed after the cache is started, and be removed before it ends", async () => {
    await using mesh = await startTestCache();
    const users = mesh.cache.namespace("users", { codec: CODEC, ttlMs: 60_000 });
    await users.set("k", 1);
    vi.useFakeTimers();
    await vi.advanceTimersByTimeAsync(60_001);
    expect(await users.get("k")).toEqual({ kind: "miss" });
    await users.set("k", 2);
    vi.useRealTimers();
    expect(await users.get("k")).toEqual({ kind: "hit", value: 2 });
  });

  it("may set the date back: time stands still", async () => {
    await using mesh = await startTestCache();
    const users = mesh.cache.namespace("users", { codec: CODEC, ttlMs: 60_000 });
    await users.set("k", 1);
    vi.useFakeTimers({ now: new Date("2001-01-01") });
    expect(await users.get("k")).toEqual({ kind: "hit", value: 1 });
    vi.advanceTimersByTime(60_001);
    expect(await users.get("k")).toEqual({ kind: "miss" });
  });
});

describe("createTestClock()", () => {
  it("runs what is due once, in its order, and what is cancelled never", () => {
    const clock = createTestClock();
    const ran: string[] = [];
    clock.schedule(20, () => ran.push("b"));
    clock.schedule(10, () => {
      ran.push("a");
      clock.schedule(0, () => ran.push("later"));
    });
    clock.schedule(10, () => ran.push("c")).cancel();
    clock.advance(9);
    expect(ran).toEqual([]);
    clock.advance(11);
    expect(ran).toEqual(["a", "b"]);
    clock.advance(0);
    expect(ran).toEqual(["a", "b", "later"]);
  });
});

/** `onEvent` and the default warning: what a client says of what happens to it, how it is folded, and what a hook may do. */
import { trace } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { type ClientEventFacts, toReport } from "../../src/client/api/client-events.ts";
import { DefaultWarnings } from "../../src/client/default-warnings.ts";
import { FOLD_MS, SUBJECTS_MAX } from "../../src/client/event-reporter.ts";
import { FAILED_LOADS_MAX } from "../../src/client/operations/failed-loads.ts";
import { type ClientEvent, type ClientOptions, json, loaded, text } from "../../src/index.ts";
import { Mesh } from "../support/mesh.ts";
import { countUnhandled } from "../support/unhandled.ts";

const SECRET = "secret";

async function start(options: Partial<ClientOptions> = {}) {
  const mesh = new Mesh();
  const events: ClientEvent[] = [];
  const cache = mesh.connect({ onEvent: (event) => events.push(event), ...options });
  const users = cache.namespace("users", { codec: json<unknown>(), ttlMs: 60_000, ttlJitter: 0 });
  await mesh.settle();
  const of = (kind: ClientEvent["kind"]) => events.filter((event) => event.kind === kind);
  return { mesh, cache, users, events, of };
}

function fail(message = SECRET): never {
  throw new RangeError(message);
}

const silence = () => vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
let warnings: ReturnType<typeof silence>;

beforeEach(() => {
  warnings = silence();
});

afterEach(() => {
  warnings.mockRestore();
});

describe("onEvent", () => {
  it("tells of a connection that comes, is lost, fails and comes back", async () => {
    const { mesh, users, events, of } = await start();
    await mesh.run(users.set("k", 1));
    expect(events).toEqual([
      {
        kind: "connected",
        address: "server:1",
        level: "info",
        message: "connected to server:1",
        count: 1,
      },
    ]);
    mesh.down.add("server:1");
    mesh.link.reset();
    await mesh.advance(500);
    expect(of("connectionLost")).toMatchObject([{ address: "server:1", level: "warn" }]);
    expect(of("connectFailed")).toMatchObject([{ address: "server:1", cause: "nobody answers" }]);
    expect(of("unavailable")).toMatchObject([
      { addresses: ["server:1"], cause: "nobody answers", level: "error" },
    ]);
    mesh.down.delete("server:1");
    await mesh.advance(FOLD_MS + 1_000);
    expect(of("connected")).toHaveLength(2);
    expect(of("gap").length).toBeLessThanOrEqual(1);
  });

  it("tells of a gap, with its cause and how many copies are suspect", async () => {
    const { mesh, users, of } = await start();
    await mesh.run(users.set("k", 1));
    await mesh.run(users.get("k"));
    mesh.restart();
    await mesh.advance(500);
    expect(of("gap")).toMatchObject([{ cause: "epochChanged", suspectCopies: 1 }]);
  });

  it("tells of loads that fail and of values that are not kept, and how they were", async () => {
    const { mesh, users, of } = await start();
    await mesh.run(users.getOrLoad("threw", () => fail()).catch(() => undefined));
    const never = new Promise<number>(() => undefined);
    const slow = users.getOrLoad("slow", () => never, { hardTimeoutMs: 10 }).catch(() => undefined);
    await mesh.advance(20);
    await slow;
    await mesh.run(users.getOrLoad("bigint", () => 1n));
    await mesh.run(users.getOrLoad("asked", () => loaded(1, { ttlMs: 0 })));
    expect(of("loadFailed")).toMatchObject([
      { namespace: "users", reason: "threw", error: "RangeError", cooldownMs: 1_000 },
      { namespace: "users", reason: "timedOut", error: "CacheError" },
    ]);
    expect(of("loadUnkept")).toMatchObject([{ namespace: "users", reason: "codec" }]);
  });

  it("tells of entries that cannot be decoded, where they are misses", async () => {
    const { mesh, cache, of } = await start();
    mesh.write("strict", "k", "1");
    const codec = { ...text(), name: "strict", decode: () => fail() };
    const strict = cache.namespace("strict", { codec, undecodable: "miss" });
    expect(await mesh.run(strict.get("k"))).toEqual({ kind: "miss" });
    expect(of("undecodable")).toMatchObject([{ namespace: "strict", codec: "strict" }]);
  });

  it("tells of each bound that is reached", async () => {
    const { mesh, users, of } = await start({ inFlightMaxOperations: 1, nearCache: false });
    const subscription = users.subscribe({ queueMaxEvents: 1 });
    const both = Promise.allSettled([users.get("a"), users.get("b")]);
    await mesh.run(both);
    for (const key of ["a", "b", "c"]) await mesh.run(users.set(key, 1));
    const cooled = Array.from({ length: FAILED_LOADS_MAX + 1 }, (_, at) => `k${at}`);
    for (const key of cooled) await mesh.run(users.getOrLoad(key, () => fail()).catch(() => undefined));
    subscription.close();
    expect(of("overflow")).toMatchObject([
      { reason: "operations", namespace: "" },
      { reason: "subscription", namespace: "users" },
      { reason: "failedLoads", namespace: "users" },
    ]);
  });

  it("says no key, value, tag or message of the application's errors", async () => {
    const { mesh, cache, users, events } = await start();
    await mesh.run(users.getOrLoad(SECRET, () => fail()).catch(() => undefined));
    await mesh.run(users.getOrLoad(`${SECRET}:1`, () => ({ [SECRET]: 1n })));
    await mesh.run(users.getOrLoad(`${SECRET}:2`, () => loaded(SECRET, { tags: [SECRET], ttlMs: -1 })));
    const named = () => Promise.reject(Object.assign(new Error(SECRET), { name: `the ${SECRET}` }));
    await mesh.run(users.getOrLoad(`${SECRET}:3`, named).catch(() => undefined));
    await mesh.run(cache.close({ graceMs: 0 }));
    expect(events.length).toBeGreaterThan(3);
    expect(JSON.stringify(events)).not.toContain(SECRET);
  });

  it("counts in stats() what it reports", async () => {
    const { mesh, cache, users, events } = await start();
    for (let at = 0; at < 50; at += 1) {
      await mesh.run(users.getOrLoad(`k${at}`, () => fail()).catch(() => undefined));
    }
    mesh.restart();
    await mesh.advance(1_000);
    await mesh.run(cache.close({ graceMs: 0 }));
    const reported: Record<string, number> = {};
    for (const { kind, count } of events) reported[kind] = (reported[kind] ?? 0) + count;
    const counted = Object.entries(cache.stats().events).filter(([, count]) => count > 0);
    expect(reported).toEqual(Object.fromEntries(counted));
    expect(reported).toMatchObject({ loadFailed: 50, gap: 1 });
  });
});

describe("onEvent: messages", () => {
  it.each<[ClientEventFacts, string]>([
    [
      { kind: "invalidationsLeft", invalidations: 1 },
      "the client was closed before a server acknowledged 1 invalidation",
    ],
    [
      { kind: "gap", cause: "epochChanged", suspectCopies: 1 },
      "events may be missing, because another server answers, or the same one after a restart: " +
        "1 near copy is asked for again before it is served",
    ],
    [
      { kind: "clocksDiverged", aheadMs: -60_000, suspectCopies: 2 },
      "the clock of the host was set back by 1 min: 2 near copies are asked for again before they are served",
    ],
    [
      { kind: "loadUnkept", namespace: "users", reason: "outage", cause: "the cache could not be reached" },
      "a loaded value of namespace users was returned and not kept: the cache could not be reached",
    ],
    [
      { kind: "loadUnkept", namespace: "users", reason: "codec", cause: "its codec refuses it" },
      "a loaded value of namespace users was returned and not kept, so it is loaded each time: its codec refuses it",
    ],
  ])("say what happened in plain words: %o", (facts, message) => {
    expect(toReport(facts, 1).message).toBe(message);
  });
});

describe("onEvent: repeated events", () => {
  it("are reported at once for the first, and then every 10 s with their count", async () => {
    const { mesh, users, of } = await start();
    const failing = async (times: number) => {
      for (let at = 0; at < times; at += 1) {
        await mesh.run(users.getOrLoad(`${mesh.clock.nowMs()}:${at}`, () => fail()).catch(() => undefined));
      }
    };
    await failing(10);
    expect(of("loadFailed").map(({ count }) => count)).toEqual([1]);
    await mesh.advance(FOLD_MS);
    expect(of("loadFailed").map(({ count }) => count)).toEqual([1, 9]);
    await failing(3);
    await mesh.advance(FOLD_MS);
    expect(of("loadFailed").map(({ count }) => count)).toEqual([1, 9, 3]);
    await mesh.advance(FOLD_MS);
    await failing(1);
    expect(of("loadFailed").map(({ count }) => count)).toEqual([1, 9, 3, 1]);
  });

  it("of ever other subjects are bounded, and what is not reported is counted", async () => {
    const { mesh, cache, of } = await start({ nearCache: false });
    for (let at = 0; at < SUBJECTS_MAX + 50; at += 1) {
      const namespace = cache.namespace(`n${at}`);
      await mesh.run(namespace.getOrLoad("k", () => fail()).catch(() => undefined));
    }
    // One subject is that of the connection.
    expect(of("loadFailed")).toHaveLength(SUBJECTS_MAX - 1);
    expect(of("overflow")).toMatchObject([{ reason: "reports", count: 1 }]);
    expect(cache.stats().events).toMatchObject({ loadFailed: SUBJECTS_MAX + 50, overflow: 51 });
    await mesh.advance(FOLD_MS);
    expect(of("overflow")).toMatchObject([{ count: 1 }, { reason: "reports", count: 50 }]);
  });

  it("do not keep a timer after the client is closed", async () => {
    const { mesh, cache, users } = await start();
    await mesh.run(users.getOrLoad("k", () => fail()).catch(() => undefined));
    await mesh.run(cache.close({ graceMs: 0 }));
    expect(mesh.clock.pending).toBe(0);
  });
});

describe("onEvent: a hook", () => {
  const unhandled = countUnhandled();

  it.each<[string, () => unknown]>([
    ["throws", () => fail()],
    ["rejects", () => Promise.reject(new Error("of the hook"))],
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested.
    ["has a then that throws", () => ({ then: () => fail() })],
  ])("that %s is contained, counted, and warned of once", async (_what, onEvent) => {
    const { mesh, cache, users } = await start({ onEvent: onEvent as () => void });
    for (const key of ["a", "b"]) {
      await mesh.run(users.getOrLoad(key, () => 1n));
      await mesh.advance(FOLD_MS);
    }
    expect(await mesh.run(users.getOrLoad("k", () => "v"))).toBe("v");
    expect(cache.stats().connection).toMatchObject({ state: "ready", faults: 3 });
    expect(cache.stats().events.fault).toBe(0);
    expect(warnings).toHaveBeenCalledOnce();
    expect(unhandled.errors).toEqual([]);
  });

  it("may call the client, and close it", async () => {
    const mesh = new Mesh();
    const kinds: string[] = [];
    const cache = mesh.connect({
      onEvent: ({ kind }) => {
        kinds.push(kind);
        users.get("k").catch(() => undefined);
        if (kind === "loadFailed") void cache.close({ graceMs: 0 });
      },
    });
    const users = cache.namespace("users", { codec: json<number>() });
    await mesh.run(users.getOrLoad("k", () => fail()).catch(() => undefined));
    await mesh.advance(100);
    expect(kinds).toEqual(["connected", "loadFailed"]);
    expect(cache.stats().connection.state).toBe("closed");
  });

  it("is told of a fault of a callback, without its message", async () => {
    trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: fail, startActiveSpan: fail }) });
    onTestFinished(() => trace.disable());
    const { mesh, cache, users, events, of } = await start();
    await mesh.run(users.get("k"));
    expect(of("fault")).toMatchObject([{ error: "RangeError", at: expect.stringContaining("fail") }]);
    expect(JSON.stringify(events)).not.toContain(SECRET);
    expect(cache.stats()).toMatchObject({ connection: { faults: 1 }, events: { fault: 1 } });
    expect(warnings).not.toHaveBeenCalled();
  });

  it("must be a function", () => {
    const connect = (onEvent: unknown) => () => new Mesh().connect({ onEvent: onEvent as () => void });
    expect(connect("log")).toThrow("onEvent must be a function");
    expect(connect(null)).not.toThrow();
  });
});

describe("C6: without onEvent", () => {
  const failing = async (options: Partial<ClientOptions>) => {
    const mesh = new Mesh();
    mesh.down.add("server:1").add("other:1");
    const cache = mesh.connect({ ...options });
    const users = cache.namespace("users", { codec: json<string>() });
    for (let at = 0; at < 5; at += 1) {
      const load = users.getOrLoad(`k${at}`, () => "v");
      await mesh.advance(10_000);
      expect(await load).toBe("v");
    }
    return cache;
  };

  it("there is one warning of the process, with every address and the root cause", async () => {
    await failing({ address: ["server:1", "other:1"] });
    expect(warnings).toHaveBeenCalledOnce();
    const [message, options] = warnings.mock.calls[0] ?? [];
    expect(message).toContain("no server can be reached at server:1, other:1 (nobody answers)");
    expect(message).toContain("`onEvent`");
    expect(options).toEqual({ type: "MeshCacheWarning" });
  });

  it("it says in whole sentences what waits and what fails, also behind a question", async () => {
    const said: string[] = [];
    const failures = [
      { problem: "silent", cause: "no answer came" },
      { problem: "proxy", cause: "502" },
      { problem: "refused", cause: "nobody listens there" },
    ] as const;
    for (const failure of failures) {
      const one = new DefaultWarnings((message) => said.push(message));
      one.event({ kind: "unavailable", addresses: ["server:1"], ...failure });
      one.event({ kind: "loadUnkept", namespace: "users", reason: "codec", cause: "a Map?" });
    }
    expect(said).toHaveLength(6);
    for (const message of said) {
      expect(message).not.toMatch(/[.?!]\./);
      expect(message).toMatch(/[.?] Said once/);
      if (message.startsWith("no server")) expect(message).toContain("invalidations wait");
    }
  });

  it("there is none for a single address of several, since calls go to the others", async () => {
    const mesh = new Mesh();
    mesh.down.add("server:1");
    const cache = mesh.connect({ address: ["server:1", "other:1"] });
    const users = cache.namespace("users", { codec: json<string>() });
    const call = users.set("k", "v");
    await mesh.advance(1_000);
    await call;
    expect(warnings).not.toHaveBeenCalled();
  });

  it("there is none with it", async () => {
    const cache = await failing({ onEvent: () => undefined });
    expect(warnings).not.toHaveBeenCalled();
    expect(cache.stats().events.unavailable).toBe(1);
  });
});

/** getOrLoad: shared loads, stale values, absence, timeouts, the options of a loader, and a cache that is down. */
import { describe, expect, it } from "vitest";
import { absent, json, type LoadContext, loaded, type NamespaceOptions } from "../../../src/index.ts";
import { Mesh } from "../../support/mesh.ts";

async function start(options: Partial<NamespaceOptions<string>> = {}) {
  const mesh = new Mesh();
  const cache = mesh.connect();
  const users = cache.namespace("users", { codec: json<string>(), ttlMs: 10_000, ttlJitter: 0, ...options });
  await mesh.settle();
  return { mesh, cache, users };
}

const never = (): Promise<string> => new Promise(() => undefined);

describe("getOrLoad", () => {
  it("loads once for all callers of the process", async () => {
    const { mesh, cache, users } = await start();
    let loads = 0;
    const load = async () => `load ${++loads}`;
    const values = await mesh.run(Promise.all(Array.from({ length: 20 }, () => users.getOrLoad("k", load))));
    expect(new Set(values)).toEqual(new Set(["load 1"]));
    expect(await mesh.run(users.getOrLoad("k", load))).toBe("load 1");
    expect(cache.stats().loads).toMatchObject({ loads: 1, loadsShared: 19 });
  });

  it("asks for many keys in one message", async () => {
    const { mesh, cache, users } = await start();
    const { batches } = cache.stats().connection;
    await mesh.run(Promise.all(["a", "b", "c"].map((key) => users.getOrLoad(key, () => key))));
    // One batch of leases and one of Sets.
    expect(cache.stats().connection.batches - batches).toBe(2);
  });

  it("serves the stale value at once and loads another in the background", async () => {
    const { mesh, cache, users } = await start({ staleMs: 60_000 });
    await mesh.run(users.getOrLoad("k", () => "first"));
    await mesh.advance(10_000, 1_000);
    expect(await mesh.run(users.getOrLoad("k", () => "second"))).toBe("first");
    expect(await mesh.run(users.getOrLoad("k", () => "third"))).toBe("second");
    expect(cache.stats().loads).toMatchObject({ loads: 2, staleServed: 1 });
  });

  it("waits for a fresh value as long as the soft timeout, then serves the stale one", async () => {
    const { mesh, users } = await start({ staleMs: 60_000 });
    await mesh.run(users.getOrLoad("k", () => "first"));
    await mesh.advance(10_000, 1_000);
    const source = Promise.withResolvers<string>();
    const reading = users.getOrLoad("k", () => source.promise, { softTimeoutMs: 200 });
    await mesh.advance(150);
    source.resolve("in time");
    expect(await mesh.run(reading)).toBe("in time");

    await mesh.advance(10_000, 1_000);
    const slow = users.getOrLoad("k", never, { softTimeoutMs: 200 });
    await mesh.advance(250);
    expect(await slow).toBe("in time");
  });

  it("waits as long for the load of another process, and no longer than its deadline", async () => {
    const { mesh, users } = await start({ staleMs: 60_000 });
    const options = { codec: json<string>(), ttlMs: 10_000, ttlJitter: 0, staleMs: 60_000 };
    const others = mesh.connect().namespace("users", options);
    await mesh.run(users.getOrLoad("k", () => "first"));
    await mesh.advance(10_000, 1_000);
    const source = Promise.withResolvers<string>();
    expect(await mesh.run(others.getOrLoad("k", () => source.promise))).toBe("first");
    const reading = users.getOrLoad("k", never, { softTimeoutMs: 200 });
    await mesh.advance(150);
    source.resolve("second");
    expect(await mesh.run(reading)).toBe("second");

    await mesh.advance(10_000, 1_000);
    expect(await mesh.run(others.getOrLoad("k", never))).toBe("second");
    const slow = users.getOrLoad("k", never, { softTimeoutMs: 200 });
    await mesh.advance(250);
    expect(await slow).toBe("second");
    const short = users.getOrLoad("k", never, { softTimeoutMs: 1_000, deadlineMs: 100 });
    await mesh.advance(150);
    expect(await short).toBe("second");
  });

  it("serves the stale value when the loader fails", async () => {
    const { mesh, cache, users } = await start({ staleMs: 60_000 });
    await mesh.run(users.getOrLoad("k", () => "first"));
    await mesh.advance(10_000, 1_000);
    const failing = () => Promise.reject(new Error("down"));
    expect(await mesh.run(users.getOrLoad("k", failing, { softTimeoutMs: 1_000 }))).toBe("first");
    expect(cache.stats().loads.loadFailures).toBe(1);
  });

  it("remembers for `negativeTtlMs` that the source has no such record", async () => {
    const { mesh, users } = await start({ negativeTtlMs: 500 });
    let loads = 0;
    const load = () => {
      loads += 1;
      return undefined;
    };
    expect(await mesh.run(users.getOrLoad("k", load))).toBeUndefined();
    expect(await mesh.run(users.getOrLoad("k", load))).toBeUndefined();
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "absent" });
    expect(loads).toBe(1);
    await mesh.advance(500);
    await mesh.run(users.getOrLoad("k", load));
    expect(loads).toBe(2);
    expect(await mesh.run(users.getOrLoad("other", () => absent({ ttlMs: 100 })))).toBeUndefined();
    await mesh.advance(100);
    expect(await mesh.run(users.get("other"))).toEqual({ kind: "miss" });
  });

  it("lets the loader decide lifetimes, tags and source version", async () => {
    const { mesh, users } = await start();
    const load = () => loaded("v", { ttlMs: 300, tags: ["t"], sourceVersion: 5n });
    await mesh.run(users.getOrLoad("k", load, { ttlMs: 9_000, tags: ["not this"] }));
    const entry = await mesh.run(users.entry("k"));
    expect(entry).toMatchObject({ kind: "hit", tags: ["t"], sourceVersion: 5n, ttlRemainingMs: 300 });
    await mesh.run(users.invalidate({ tags: ["t"] }));
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "miss" });
  });

  it("shortens TTLs at random and never lengthens them", async () => {
    const { mesh, users } = await start({ ttlJitter: 0.5 });
    const keys = Array.from({ length: 20 }, (_, index) => `${index}`);
    await mesh.run(Promise.all(keys.map((key) => users.getOrLoad(key, () => "v"))));
    const entries = await mesh.run(Promise.all(keys.map((key) => users.entry(key))));
    const ttls = entries.map((entry) => (entry.kind === "hit" ? entry.ttlRemainingMs : -1));
    expect(new Set(ttls).size).toBeGreaterThan(10);
    expect(Math.min(...ttls)).toBeGreaterThanOrEqual(5_000);
    expect(Math.max(...ttls)).toBeLessThanOrEqual(10_000);
  });

  it("aborts a loader at the hard timeout, and lets the next caller load", async () => {
    const { mesh, users } = await start({ failureCooldownMs: 0 });
    const { promise: told, resolve: tell } = Promise.withResolvers<LoadContext>();
    const hung = users.getOrLoad(
      "k",
      (context) => {
        tell(context);
        return never();
      },
      { hardTimeoutMs: 100 },
    );
    const failed = hung.catch((error) => error.reason);
    await mesh.settle();
    const { signal } = await told;
    expect(signal.aborted).toBe(false);
    await mesh.advance(100);
    expect(await failed).toBe("LOADER_TIMEOUT");
    expect(signal.aborted).toBe(true);
    expect(await mesh.run(users.getOrLoad("k", () => "next"))).toBe("next");
  });

  it("gives the value to the other callers when one gives up", async () => {
    const { mesh, users } = await start();
    const source = Promise.withResolvers<string>();
    const controller = new AbortController();
    const load = () => source.promise;
    const patient = users.getOrLoad("k", load);
    const leaving = users.getOrLoad("k", load, { signal: controller.signal }).catch((error) => error.reason);
    const hurried = users.getOrLoad("k", load, { deadlineMs: 100 }).catch((error) => error.reason);
    await mesh.settle();
    controller.abort();
    expect(await leaving).toBe("CANCELLED");
    await mesh.advance(100);
    expect(await hurried).toBe("DEADLINE");
    source.resolve("v");
    expect(await mesh.run(patient)).toBe("v");
  });

  it("replaces a value that the codec cannot decode, in a namespace that treats it as a miss", async () => {
    const { mesh, users } = await start({ undecodable: "miss" });
    mesh.writeBytes("users", "k", Buffer.from("{"));
    expect(await mesh.run(users.get("k"))).toEqual({ kind: "miss" });
    expect(await mesh.run(users.getOrLoad("k", () => "readable"))).toBe("readable");
    expect(await mesh.run(users.get("k", { maxStalenessMs: 0 }))).toEqual({ kind: "hit", value: "readable" });

    const strict = mesh.connect().namespace("strict", { codec: json<string>() });
    mesh.writeBytes("strict", "k", Buffer.from("{"));
    await expect(mesh.run(strict.getOrLoad("k", () => "v"))).rejects.toMatchObject({
      reason: "CODEC",
      detail: { namespace: "strict", codec: "json" },
    });
  });

  it("releases the leases of running loads when the client is closed", async () => {
    const { mesh, cache, users } = await start();
    const ended = users.getOrLoad("k", never).catch((error) => error.reason);
    await mesh.settle();
    const closing = cache.close();
    await mesh.settle();
    expect(await ended).toBe("CLOSED");
    await closing;
    expect(mesh.store.counters.leasesReleased).toBe(1);
  });

  it("stores what a loader has returned, though the client is closed at once", async () => {
    const { mesh, cache, users } = await start();
    let closing: Promise<unknown> | undefined;
    const load = () => {
      queueMicrotask(() => {
        queueMicrotask(() => {
          closing = cache.close();
        });
      });
      return "v";
    };
    expect(await mesh.run(users.getOrLoad("k", load))).toBe("v");
    expect(closing).toBeDefined();
    await mesh.run(Promise.resolve(closing));
    const other = mesh.connect().namespace("users", { codec: json<string>() });
    expect(await mesh.run(other.get("k"))).toMatchObject({ kind: "hit", value: "v" });
  });

  it("runs the loader without the cache when no server answers, and keeps nothing", async () => {
    const { mesh, cache, users } = await start();
    mesh.down.add("server:1");
    mesh.link.reset();
    await mesh.advance(500);
    expect(await mesh.run(users.getOrLoad("k", () => "from the source"))).toBe("from the source");
    expect(await mesh.run(users.entry("k", { loader: () => "v" }))).toMatchObject({
      source: "loader",
      version: undefined,
    });
    expect(cache.stats().loads.loadsUnkept).toBe(2);
    const closed = users.getOrLoad("k", () => "v", { failOpen: false });
    await expect(mesh.run(closed)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  });
});

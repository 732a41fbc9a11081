/** Scenario 35, T1: what is served while no server can be asked, where the namespace says `outageTtlMs`. */
import { trace } from "@opentelemetry/api";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  type ClientOptions,
  type Entry,
  json,
  loaded,
  type MeshCache,
  type Namespace,
  type NamespaceOptions,
  type Target,
} from "../../src/index.ts";
import { Mesh } from "../support/mesh.ts";

const OUTAGE_TTL_MS = 30_000;
const ADDRESS = "server:1";
const TAGS = ["tenant:7"];

interface Client {
  readonly mesh: Mesh;
  readonly cache: MeshCache;
  readonly users: Namespace<string>;
}

/** A client with "k" = "v1" as a copy. */
async function start(
  options: Partial<NamespaceOptions<string>> = {},
  client: Partial<ClientOptions> = {},
): Promise<Client> {
  const mesh = new Mesh();
  const cache = mesh.connect({ backoffMaxMs: 100, ...client });
  const users = cache.namespace("users", {
    codec: json<string>(),
    ttlMs: 600_000,
    ttlJitter: 0,
    outageTtlMs: OUTAGE_TTL_MS,
    ...options,
  });
  await mesh.settle();
  await mesh.run(users.set("k", "v1", { tags: TAGS }));
  await mesh.run(users.get("k"));
  return { mesh, cache, users };
}

async function beginOutage({ mesh }: Client): Promise<void> {
  mesh.down.add(ADDRESS);
  mesh.link.reset();
  await mesh.settle();
}

async function endOutage({ mesh, cache }: Client): Promise<void> {
  mesh.down.delete(ADDRESS);
  while (cache.stats().connection.state !== "ready") await mesh.advance(10, 10);
}

const read = async ({ mesh, users }: Client, key = "k"): Promise<string> => {
  const outcome = await mesh.run(users.get(key)).catch((error: unknown) => error);
  return JSON.stringify(outcome instanceof Error && "reason" in outcome ? outcome.reason : outcome);
};

const marked = (value: string) => JSON.stringify({ kind: "hit", value, outage: true });

/** A loader of a number that counts up, and how often it was called. */
function counted() {
  const calls = { count: 0 };
  return {
    calls,
    load: () => {
      calls.count += 1;
      return `load ${calls.count}`;
    },
  };
}

describe("T1: a copy in an outage", () => {
  it("scenario 35: is served and marked, by every way to read", async () => {
    const client = await start();
    const { mesh, cache, users } = client;
    await beginOutage(client);
    await mesh.advance(10_000);
    const mark = { value: "v1", outage: true };
    expect(await users.get("k")).toEqual({ kind: "hit", ...mark });
    expect(await users.getMany(["k"])).toEqual([{ kind: "hit", ...mark }]);
    expect(await users.entry("k")).toMatchObject({ kind: "hit", source: "near", ...mark });
    const { calls, load } = counted();
    expect(await users.entry("k", { loader: load })).toMatchObject({ source: "near", ...mark });
    expect(await users.getOrLoad("k", load)).toBe("v1");
    expect(await users.getOrLoadMany(["k"], () => [])).toEqual(["v1"]);
    expect(calls.count).toBe(0);
    expect(cache.stats().near.outageHits).toBe(6);
  });

  it("scenario 35: is served to who asked the server when nobody knew of the outage yet", async () => {
    const client = await start({}, { silenceMaxMs: 500, leaseMs: 1_000 });
    const { mesh, cache, users } = client;
    const { calls, load } = counted();
    mesh.down.add(ADDRESS);
    mesh.link.blackhole = true;
    await mesh.advance(1_050, 10);
    expect(cache.stats().connection.state).toBe("ready");
    const asked = Promise.all([
      users.get("k"),
      users.getMany(["k"]).then(([outcome]) => outcome),
      users.entry("k"),
      users.entry("k", { loader: load }),
      users.getOrLoad("k", load).then((value) => ({ value, outage: true })),
      users.getOrLoad("k", load, { failOpen: false }).then((value) => ({ value, outage: true })),
    ]);
    await mesh.advance(4_000, 10);
    expect((await asked).map((outcome) => ({ ...outcome }))).toEqual(
      Array.from({ length: 6 }, () => expect.objectContaining({ value: "v1", outage: true })),
    );
    expect(calls.count).toBe(0);
  });

  it("scenario 35: is not served without the explicit choice", async () => {
    const client = await start({ outageTtlMs: 0 });
    await beginOutage(client);
    await client.mesh.advance(1_000);
    expect(await read(client)).toBe('"UNAVAILABLE"');
    const { load } = counted();
    expect(await client.mesh.run(client.users.getOrLoad("k", load))).toBe("load 1");
    expect(await client.mesh.run(client.users.getOrLoad("k", load))).toBe("load 2");
    expect(client.cache.stats().near.outageHits).toBe(0);
  });

  it("scenario 35: is served as long as it was current within outageTtlMs, and inside its TTL", async () => {
    const pingMs = 1_000;
    const client = await start({}, { pingMs });
    await client.mesh.advance(5_000);
    await beginOutage(client);
    await client.mesh.advance(OUTAGE_TTL_MS - pingMs);
    expect(await read(client)).toBe(marked("v1"));
    await client.mesh.advance(pingMs + 50);
    expect(await read(client)).toBe('"UNAVAILABLE"');

    const short = await start({ ttlMs: 2_000 });
    await beginOutage(short);
    await short.mesh.advance(1_950);
    expect(await read(short)).toBe(marked("v1"));
    await short.mesh.advance(50);
    expect(await read(short)).toBe('"UNAVAILABLE"');
  });

  it("scenario 35: is not served to who asks for the server, or for a newer one", async () => {
    const client = await start();
    const { mesh, users } = client;
    await beginOutage(client);
    await mesh.advance(5_000);
    for (const options of [{ maxStalenessMs: 0 }, { maxStalenessMs: 4_000 }, { allowStale: true }]) {
      await expect(mesh.run(users.get("k", options))).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    }
    expect(await mesh.run(users.get("k", { maxStalenessMs: 10_000 }))).toMatchObject({ outage: true });
    expect(await mesh.run(users.getOrLoad("k", () => "loaded", { maxStalenessMs: 0 }))).toBe("loaded");
  });

  it("scenario 35: ends at the reconnection, before the stream has caught up", async () => {
    const client = await start();
    const { mesh, users, cache } = client;
    await beginOutage(client);
    expect(await read(client)).toBe(marked("v1"));
    await endOutage(client);
    expect(cache.stats().near.outageHits).toBe(1);
    mesh.write("users", "k", "v2");
    await mesh.settle();
    expect(await read(client)).toBe(JSON.stringify({ kind: "hit", value: "v2" }));
    expect(await mesh.run(users.entry("k"))).not.toHaveProperty("outage");
  });

  it("scenario 35: is never served after a gap was seen", async () => {
    const client = await start({}, { revalidateMaxEntries: 0 });
    const { mesh, cache } = client;
    mesh.restart();
    while (cache.stats().connection.gaps === 0) await mesh.advance(10, 10);
    expect(cache.stats().near.entries).toBe(1);
    await beginOutage(client);
    await mesh.advance(1_000);
    expect(await read(client)).toBe('"UNAVAILABLE"');
  });

  it.each<[string, Target]>([
    ["its key", { keys: ["k"] }],
    ["its tag", { tags: TAGS }],
    ["its prefix", { prefix: "k" }],
    ["its namespace", { all: true }],
  ])("scenario 35: is not served once this process has invalidated %s", async (_what, target) => {
    const client = await start();
    const { mesh, users } = client;
    await beginOutage(client);
    await mesh.advance(1_000);
    await mesh.run(users.getOrLoad("kept", () => loaded("kept", { tags: TAGS })));
    const invalidating = users.invalidate(target).catch(() => undefined);
    expect(await read(client)).toBe('"UNAVAILABLE"');
    if ("tags" in target || "all" in target || "prefix" in target)
      expect(await read(client, "kept")).toBe('"UNAVAILABLE"');
    await mesh.advance(2_000);
    await invalidating;
    expect(await read(client)).toBe('"UNAVAILABLE"');
  });

  it("scenario 35: says so in spans of near hits", async () => {
    const startSpan = vi.fn(() => trace.wrapSpanContext({ traceId: "", spanId: "", traceFlags: 0 }));
    vi.spyOn(trace, "getTracerProvider");
    const provider = { getTracer: () => ({ startSpan, startActiveSpan: () => undefined }) };
    trace.setGlobalTracerProvider(provider as never);
    onTestFinished(() => trace.disable());
    const client = await start({}, { telemetry: { nearHitSpans: true } });
    await beginOutage(client);
    await client.users.get("k");
    const attributes = { "meshcache.source": "near", "meshcache.outage": true };
    expect(startSpan).toHaveBeenLastCalledWith(
      "meshcache near hit",
      expect.objectContaining({ attributes: expect.objectContaining(attributes) }),
    );
  });

  it("scenario 35: needs a near cache to be in", () => {
    const cache = new Mesh().connect();
    const options = { codec: json<string>(), nearCache: false, outageTtlMs: 1 } as const;
    expect(() => cache.namespace("users", options)).toThrow("outageTtlMs must be");
  });
});

describe("T1: a load in an outage", () => {
  it("scenario 35: is kept until its end, and marked", async () => {
    const client = await start();
    const { mesh, users } = client;
    await beginOutage(client);
    await mesh.advance(1_000);
    const { calls, load } = counted();
    const first: Entry<string> = await mesh.run(users.entry("new", { loader: load }));
    expect(first).toMatchObject({ value: "load 1", source: "loader", version: undefined });
    expect(first).not.toHaveProperty("outage");
    expect(await users.entry("new", { loader: load })).toMatchObject({
      value: "load 1",
      source: "near",
      outage: true,
    });
    expect(await read(client, "new")).toBe(marked("load 1"));
    expect(await mesh.run(users.getOrLoad("none", () => undefined))).toBeUndefined();
    expect(await users.get("none")).toEqual({ kind: "absent", outage: true });
    await endOutage(client);
    await mesh.settle();
    expect(await read(client, "new")).toBe(JSON.stringify({ kind: "miss" }));
    // Nor is it served in the next one.
    await beginOutage(client);
    expect(await read(client, "new")).not.toContain("load");
    expect(calls.count).toBe(1);
  });

  it("scenario 35: is not kept when its loader asks for that, nor longer than its TTL or outageTtlMs", async () => {
    const client = await start({ outageTtlMs: 5_000 });
    const { mesh, users } = client;
    await beginOutage(client);
    await mesh.advance(1_000);
    await mesh.run(users.getOrLoad("asked", () => loaded("v", { ttlMs: 0 })));
    expect(await read(client, "asked")).toBe('"UNAVAILABLE"');
    await mesh.run(users.getOrLoad("short", () => loaded("v", { ttlMs: 1_000 })));
    await mesh.run(users.getOrLoad("long", () => "v"));
    await mesh.advance(1_000);
    expect(await read(client, "short")).toBe('"UNAVAILABLE"');
    await mesh.advance(4_000);
    expect(await read(client, "long")).toBe(marked("v"));
    await mesh.advance(50);
    expect(await read(client, "long")).toBe('"UNAVAILABLE"');
  });

  it.each<[string, Target]>([
    ["its key", { keys: ["new"] }],
    ["a tag that may be its", { tags: ["any"] }],
    ["its prefix", { prefix: "n" }],
    ["its namespace", { all: true }],
  ])(
    "scenario 35: is not kept when this process has invalidated %s since it began",
    async (_what, target) => {
      const client = await start();
      const { mesh, users } = client;
      await beginOutage(client);
      await mesh.advance(1_000);
      const source = Promise.withResolvers<string>();
      const loading = users.getOrLoad("new", () => source.promise);
      await mesh.settle();
      void users.invalidate(target).catch(() => undefined);
      source.resolve("old row");
      expect(await mesh.run(loading)).toBe("old row");
      expect(await read(client, "new")).toBe('"UNAVAILABLE"');
    },
  );

  it.each([
    ["one at a time for each key", 0],
    ["not at all with outageTtlMs", OUTAGE_TTL_MS],
  ])("scenario 35: 10 hot keys and 2,750 requests in 10 s are loaded %s", async (_what, outageTtlMs) => {
    const client = await start({ outageTtlMs });
    const { mesh, users } = client;
    const keys = Array.from({ length: 10 }, (_, index) => `hot:${index}`);
    for (const key of keys) await mesh.run(users.getOrLoad(key, () => "row"));
    await beginOutage(client);

    const running = new Map<string, number>();
    let loads = 0;
    let mostAtOnce = 0;
    const load = (key: string) => async () => {
      loads += 1;
      running.set(key, (running.get(key) ?? 0) + 1);
      mostAtOnce = Math.max(mostAtOnce, running.get(key) ?? 0);
      await new Promise<void>((resolve) => mesh.clock.schedule(200, resolve));
      running.set(key, (running.get(key) ?? 0) - 1);
      return "row";
    };
    const answers: Promise<string | undefined>[] = [];
    for (let at = 0; at < 250; at += 1) {
      for (const key of [...keys, keys[0] ?? ""]) answers.push(users.getOrLoad(key, load(key)));
      await mesh.advance(40, 40);
    }
    await mesh.advance(1_000);
    expect(answers).toHaveLength(2_750);
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["row"]));
    if (outageTtlMs > 0) expect(loads).toBe(0);
    else {
      expect(mostAtOnce).toBe(1);
      // Each load takes 200 of the 10,000 ms.
      expect(loads).toBeLessThanOrEqual(keys.length * 51);
    }
  });

  it("scenario 35: is kept by a client that has never had a connection", async () => {
    const mesh = new Mesh();
    mesh.down.add(ADDRESS);
    const cache = mesh.connect();
    const users = cache.namespace("users", { codec: json<string>(), outageTtlMs: OUTAGE_TTL_MS });
    const { calls, load } = counted();
    for (let at = 0; at < 3; at += 1) expect(await mesh.run(users.getOrLoad("k", load))).toBe("load 1");
    expect(calls.count).toBe(1);
  });
});

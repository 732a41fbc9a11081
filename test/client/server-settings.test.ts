/**
 * Every setting of the server, lowered and raised: a client at its defaults works with each, and what a bound forbids fails
 * by itself, naming the field or limit and the bound. The connection is never lost. A setting that this table does not
 * have fails the test until somebody has thought about what clients meet of it.
 */
import { afterEach, describe, expect, it } from "vitest";
import {
  SETTING_NAMES,
  type SettingName,
  type Settings,
  settingsSchema,
} from "../../src/cli/settings/settings.ts";
import {
  bytes,
  type CacheErrorReason,
  type ClientOptions,
  MeshCache,
  type Namespace,
} from "../../src/index.ts";
import { createServer, createStore } from "../../src/server/index.ts";
import { CALM } from "../support/test-workers.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

interface Field {
  readonly cache: MeshCache;
  /** Another process of the mesh. */
  readonly other: MeshCache;
  /** A new client of the server. */
  connect(options?: Partial<ClientOptions>): MeshCache;
}

interface Value {
  readonly value: number;
  /** Other settings that must allow it. */
  readonly with?: Partial<Settings>;
}

interface Considered {
  readonly lowered: Value;
  readonly raised: Value;
  /** Connections may be replaced by others, before they end. Default: each client keeps its one stream. */
  readonly replaces?: true;
  /** Uses the client at the bound and just beyond it. Default: what every client does works. */
  use?(field: Field, bound: number): Promise<void>;
}

/** No client meets it, for this reason. */
type Unmet = string;

const text = (length: number) => "x".repeat(length);
const value = (length: number) => new Uint8Array(length);
const names = (count: number, prefix = "n") =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const open = (cache: MeshCache, name: string, nearCache: false | undefined = undefined) =>
  cache.namespace(name, { codec: bytes(), ...(nearCache === false && { nearCache }) });

/** What a refusal looks like. `bound`: what its text must contain. */
async function expectRefusal(
  call: Promise<unknown>,
  reason: CacheErrorReason,
  subject: string,
  bound: number,
): Promise<void> {
  const error = await call.then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(error).toMatchObject({ reason });
  expect(error.detail).toMatchObject({ [reason === "FIELD_INVALID" ? "field" : "limit"]: subject });
  expect(error.detail.bound).toContain(String(bound));
}

const invalid = (call: Promise<unknown>, field: string, bound: number) =>
  expectRefusal(call, "FIELD_INVALID", field, bound);

const between = (lowered: number, raised: number, use: Considered["use"] = undefined): Considered => ({
  lowered: { value: lowered },
  raised: { value: raised },
  ...(use !== undefined && { use }),
});

const CONSIDERED: Readonly<Record<SettingName, Considered | Unmet>> = {
  listen: "an address",
  admin: "an address for HTTP",
  adminHosts: "of HTTP",
  adminConnectionsMax: "of HTTP",
  workers: "the suites run with several",
  logLevel: "nothing of the log reaches a client",
  storeEngine: "the suites of the store run with each",
  acceleration: "the suites run without it too",
  tlsCert: "test/security/tls.test.ts runs clients with TLS",
  tlsKey: "as tlsCert",
  tlsClientCa: "as tlsCert",
  tokens: "test/security/identity.test.ts runs clients with tokens",
  jwtIssuers: "as tokens",
  policy: "as tokens",
  snapshot: "test/coherence/clean-restarts.test.ts restarts servers under clients",
  snapshotMaxAgeMs: "as snapshot",
  tier: "test/contract/tier.test.ts runs servers on a tier",
  tierTls: "of the engine",
  tierCa: "as tierTls",
  tierCert: "as tierTls",
  tierKey: "as tierTls",
  tierUser: "as tierTls",
  tierPasswordFile: "as tierTls",
  tierStart: "before a server listens",
  tierOperationMaxMs: "as tier",
  tlsMinVersion: "as tlsCert",
  adminTls: "of HTTP",
  http: "an address for HTTP",
  httpHosts: "of HTTP",
  httpOrigins: "of HTTP",
  console: "of HTTP",
  consoleWrite: "of HTTP",
  consoleTraceUrl: "of HTTP",
  consolePrometheus: "of HTTP",
  consolePrometheusLabels: "of HTTP",
  plaintext: "of addresses that tests do not listen on",
  anonymous: "as plaintext",
  securityReloadMs: "as tlsCert",
  storeBudgetBytes: between(MIB, 512 * MIB),
  shards: between(1, 256),
  logMaxEvents: between(1, 131_072),
  logMaxBytes: between(4 * KIB, 16 * MIB),
  namespacesMax: between(1, 2_048),
  namespaces: "bounds of eviction: nothing of them reaches a client",
  tagFencesMax: between(1, 16_384),
  prefixFencesMax: between(1, 128),
  tombstonesMax: between(1, 131_072),
  leasesMax: between(1, 32_768),
  leasesOfHolderMax: between(1, 2_048),
  leasesOfNamespaceMax: between(1, 16_384),
  leaseWaitersMax: between(0, 2_048),
  requestIdsMax: between(1, 8_192),

  namespaceMaxBytes: between(8, 255, async ({ cache }, bound) => {
    await open(cache, text(bound)).set("key", value(1));
    expect(() => open(cache, text(bound + 1))).toThrow(String(bound));
  }),
  // The engine "offheap" keeps no entry whose key and tags fill a segment of 16 KiB.
  keyMaxBytes: between(8, 8 * KIB, async ({ cache }, bound) => {
    const users = open(cache, "users");
    await users.set(text(bound), value(1));
    expect(await users.get(text(bound))).toMatchObject({ kind: "hit" });
    await users.invalidate({ prefix: text(bound) });
    expect(await users.invalidate({ keys: names(2_000, "k") })).toEqual({ removed: 0 });
    for (const call of [users.get(text(bound + 1)), users.getOrLoad(text(bound + 1), () => value(1))]) {
      await invalid(call, "key", bound);
    }
    await invalid(users.invalidate({ prefix: text(bound + 1) }), "prefix", bound);
    await using narrow = users.subscribe({ prefixes: [text(bound)] });
    await narrow.isLive;
    expect(() => users.subscribe({ prefixes: [text(bound + 1)] })).toThrow(String(bound));
  }),
  tagMaxBytes: between(4, 4 * KIB, async ({ cache }, bound) => {
    const users = open(cache, "users");
    await users.set("key", value(1), { tags: [text(bound)] });
    await users.invalidate({ tags: [text(bound)] });
    await users.invalidate({ tags: names(500, "t") });
    await invalid(users.set("key", value(1), { tags: [text(bound + 1)] }), "tags", bound);
    await invalid(users.invalidate({ tags: [text(bound + 1)] }), "tags", bound);
  }),
  entryMaxTags: between(2, 256, async ({ cache }, bound) => {
    const users = open(cache, "users");
    await users.set("key", value(1), { tags: names(bound) });
    await invalid(users.set("key", value(1), { tags: names(bound + 1) }), "tags", bound);
  }),
  valueMaxBytes: {
    lowered: { value: KIB },
    raised: {
      // The most that the engine "offheap" keeps.
      value: 16 * MIB - 1,
      with: {
        batchMaxBytes: 21 * MIB,
        receiveMaxBytes: 22 * MIB,
        sendMaxBytes: 22 * MIB,
        storeBudgetBytes: 512 * MIB,
        shards: 4,
      },
    },
    async use({ cache }, bound) {
      const users = open(cache, "users", false);
      await users.set("key", value(bound));
      expect(await users.get("key")).toMatchObject({ kind: "hit", value: { length: bound } });
      await invalid(users.set("key", value(bound + 1)), "value", bound);
    },
  },
  contentTypeMaxBytes: between(30, 255, async ({ cache }, bound) => {
    const of = (length: number) =>
      cache.namespace(`${length}`, { codec: { ...bytes(), contentType: text(length) } });
    await of(bound).set("key", value(1));
    if (bound === 255) expect(() => of(bound + 1)).toThrow(String(bound));
    else await invalid(of(bound + 1).set("key", value(1)), "contentType", bound);
  }),
  lifetimeMaxMs: between(10_000, 3_650 * DAY_MS, async ({ cache }, bound) => {
    const users = open(cache, "users");
    await users.set("key", value(1), { ttlMs: bound, staleMs: bound });
    await users.touch("key", { ttlMs: bound });
    // Default: absent for 30 s, or less where the server forgets earlier.
    await users.setAbsent("absent");
    expect(await users.getOrLoad("absent too", () => undefined)).toBeUndefined();
    await invalid(users.set("key", value(1), { ttlMs: bound + 1 }), "ttlMs", bound);
    await invalid(users.touch("key", { ttlMs: 1, staleMs: bound + 1 }), "staleMs", bound);
    await users.increment("counter", 1, { ttlMs: bound });
    await invalid(users.increment("counter", 1, { ttlMs: bound + 1 }), "ttlMs", bound);
  }),
  leaseDefaultMs: between(1, MINUTE_MS),
  leaseMaxMs: {
    lowered: { value: 1_000, with: { leaseDefaultMs: 1_000 } },
    raised: { value: 300_000 },
    async use({ cache }) {
      const users = open(cache, "users", false);
      const loaded = users.getOrLoad("key", () => value(3), { hardTimeoutMs: 200_000 });
      expect(await loaded).toEqual(value(3));
      expect(await users.get("key")).toMatchObject({ kind: "hit" });
    },
  },
  leaseWaitMaxMs: between(0, 100_000, async ({ cache, other }) => {
    await oneLoads(cache, other, ["key"]);
  }),
  invalidateMaxKeys: between(3, 4_096, async ({ cache }, bound) => {
    const users = open(cache, "users", false);
    for (const count of [bound, bound + 1, 2 * bound + 1]) {
      const keys = names(count, "k");
      await users.setMany(keys.map((key) => [key, value(1)] as const));
      expect(await users.invalidate({ keys })).toEqual({ removed: count });
    }
  }),
  invalidateMaxTags: between(3, 1_024, async ({ cache }, bound) => {
    const users = open(cache, "users", false);
    await users.set("key", value(1), { tags: [`t${bound}`] });
    await users.invalidate({ tags: names(bound + 1, "t") });
    expect(await users.get("key")).toEqual({ kind: "miss" });
  }),
  batchMaxOperations: between(3, 4_096, async ({ cache }, bound) => {
    const users = open(cache, "users", false);
    const keys = names(2 * bound + 1, "k");
    await users.setMany(keys.map((key) => [key, value(1)] as const));
    expect(await users.getMany(keys)).toEqual(keys.map(() => ({ kind: "hit", value: value(1) })));
  }),
  batchMaxBytes: {
    lowered: { value: 2 * KIB, with: { valueMaxBytes: KIB } },
    raised: { value: 16 * MIB, with: { receiveMaxBytes: 17 * MIB } },
    async use({ cache }, bound) {
      const users = open(cache, "users", false);
      const each = Math.min(KIB, bound / 4);
      await users.setMany(names(20, "k").map((key) => [key, value(each)] as const));
      expect(await users.invalidate({ keys: names(20, `${text(300)}k`) })).toEqual({ removed: 0 });
      if (bound > MIB) return;
      const tags = names(9, text(100));
      // Counted as the server counts: the key, the value, and each tag with two bytes more.
      const fullKey = text(bound - KIB - 9 * 103);
      await users.set(fullKey, value(KIB), { tags });
      await invalid(users.set(`${fullKey}x`, value(KIB), { tags }), "operation", bound);
      await invalid(users.set(text(200), value(KIB), { tags: names(9, text(120)) }), "operation", bound);
    },
  },
  subscriptionMaxSelectors: between(3, 128, async ({ cache, connect }, bound) => {
    const early = connect();
    // Before the client knows the server, and after: more of them than it takes selectors.
    for (const client of [early, cache]) {
      const live = names(2 * bound).map((name) => open(client, name, false).subscribe());
      await Promise.all(live.map(({ isLive }) => isLive));
      const selected = client.stats().connection.selectors;
      expect(selected).toBeGreaterThan(0);
      expect(selected).toBeLessThanOrEqual(bound);
      const last = live.at(-1)?.[Symbol.asyncIterator]().next();
      await open(client, `n${2 * bound - 1}`, false).set("key", value(1));
      expect(await last).toMatchObject({ value: { kind: "set", name: "key" } });
      for (const subscription of live) subscription.close();
    }
  }),
  subscriptionMaxPrefixes: between(3, 128, async ({ connect, other }, bound) => {
    for (const count of [bound, bound + 1]) {
      await using subscription = open(connect(), "users", false).subscribe({ prefixes: names(count, "p") });
      await subscription.isLive;
      const next = subscription[Symbol.asyncIterator]().next();
      await open(other, "users").set("other", value(1));
      await open(other, "users").set(`p${count - 1}`, value(1));
      expect(await next).toMatchObject({ value: { name: `p${count - 1}` } });
    }
  }),
  cursorMaxBytes: between(64, 64 * KIB),
  clientIdMaxBytes: between(4, 256, async ({ connect }, bound) => {
    await open(connect({ clientId: text(bound) }), "users").set("key", value(1));
    if (bound === 256) {
      expect(() => connect({ clientId: text(bound + 1) })).toThrow(String(bound));
      return;
    }
    const refused = open(connect({ clientId: text(bound + 1) }), "users", false);
    await invalid(refused.get("key"), "client_id", bound);
    await invalid(refused.get("key"), "client_id", bound);
  }),
  receiveMaxBytes: {
    lowered: { value: 2 * KIB, with: { valueMaxBytes: KIB, batchMaxBytes: 2 * KIB } },
    raised: { value: 32 * MIB },
    async use({ cache, connect }, bound) {
      const users = open(cache, "users", false);
      const each = Math.min(KIB, bound / 2);
      await users.setMany(names(20, "k").map((key) => [key, value(each)] as const));
      if (bound > MIB) return;
      await users.set("key", value(KIB), { tags: names(6, text(120)) });
      await invalid(users.set("key", value(KIB), { tags: names(9, text(105)) }), "message", bound);
      const eager = connect();
      const subscriptions = names(100, text(40)).map((name) => open(eager, name, false).subscribe());
      const outcomes = await Promise.allSettled(subscriptions.map(({ isLive }) => isLive));
      expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["fulfilled"]));
      await open(eager, "users", false).set("key", value(1));
    },
  },
  sendMaxBytes: {
    lowered: { value: 2 * KIB, with: { valueMaxBytes: KIB } },
    raised: { value: 64 * MIB },
    async use({ cache }, bound) {
      const users = open(cache, "users", false);
      const keys = names(20, "k");
      await users.setMany(keys.map((key) => [key, value(KIB)] as const));
      expect(await users.getMany(keys)).toEqual(keys.map(() => ({ kind: "hit", value: value(KIB) })));
      if (bound > MIB) return;
      await users.set("key", value(KIB), { tags: names(16, text(100)) });
      await expectRefusal(users.get("key"), "LIMIT_EXCEEDED", "send_max_bytes", bound);
    },
  },

  connectionsMax: between(3, 1_000_000),
  handshakeMaxMs: "as tlsCert",
  handshakesMax: "as tlsCert",
  connectionMaxStreams: between(1, 65_536),
  connectionMaxSubscriptions: between(1, 65_536),
  connectionIdleMs: between(100, DAY_MS),
  connectionAgeMs: { ...between(100, DAY_MS), replaces: true },
  connectionGraceMs: between(0, DAY_MS),
  keepaliveTimeMs: between(100, DAY_MS),
  keepaliveTimeoutMs: between(100, DAY_MS),
  callMaxMs: between(10, DAY_MS),
  halfCloseMaxMs: between(1_000, DAY_MS),
  stallMaxMs: between(1_000, DAY_MS),
  drainMaxMs: between(0, DAY_MS),
  flowControlWindowBytes: between(64 * KIB - 1, 2 ** 31 - 1),
  headersMaxBytes: between(KIB, MIB),
  headersMaxPairs: between(16, 1_024),
  connectionMaxPingsPerSecond: between(1, 1_000_000),
  connectionMaxSettingsPerSecond: between(1, 1_000_000),
  connectionMaxEmptyFramesPerSecond: between(1, 10_000),
  queueMaxBytes: between(KIB, 64 * MIB),
  connectionMaxHeldBytes: between(8 * MIB, 128 * MIB),
  heldMaxBytes: {
    lowered: { value: 16 * MIB, with: { connectionMaxHeldBytes: 8 * MIB } },
    raised: { value: 512 * MIB },
  },
  queuesMaxBytes: {
    lowered: { value: KIB, with: { queueMaxBytes: KIB } },
    raised: { value: 2 ** 40 },
  },
  shedDelayMs: "the client obeys the pushback, whenever it comes",
  shedAfterMs: "the same",
  residentMaxBytes: "the same",
  turnMaxBytes: "only the time of answers depends on it",
  frameMaxEvents: between(1, 65_536),
  frameMaxBytes: between(KIB, 2 * MIB),
  progressIntervalMs: between(10, DAY_MS),
  exchangeMaxWaitingBatches: between(1, 65_536, async ({ cache, other }) => {
    await oneLoads(cache, other, names(5, "k"));
  }),
  busyPollMaxMs: between(0, 2),
};

/** The other process waits for the loads of the first, and loads nothing itself. */
async function oneLoads(cache: MeshCache, other: MeshCache, keys: readonly string[]): Promise<void> {
  const begun = keys.map(() => Promise.withResolvers<void>());
  const finish = Promise.withResolvers<void>();
  const first = keys.map((key, index) =>
    open(cache, "loads", false).getOrLoad(key, async () => {
      begun[index]?.resolve();
      await finish.promise;
      return value(2);
    }),
  );
  await Promise.all(begun.map(({ promise }) => promise));
  const second = keys.map((key) => open(other, "loads", false).getOrLoad(key, () => value(9)));
  // Two reads there and back: by now the others ask for their leases.
  await open(other, "loads", false).get("unset");
  finish.resolve();
  expect(await Promise.all([...first, ...second])).toEqual([...keys, ...keys].map(() => value(2)));
}

/** What every client does, with small messages: nothing of it may fail. */
async function useAll({ cache, other }: Field): Promise<void> {
  const users: Namespace<Uint8Array> = open(cache, "all");
  const others = open(other, "all");
  await using subscription = users.subscribe();
  await subscription.isLive;
  const events = subscription[Symbol.asyncIterator]();
  await others.set("a", value(3), { tags: ["t"], ttlMs: 10_000, staleMs: 1_000 });
  expect(await events.next()).toMatchObject({ value: { kind: expect.stringMatching(/set|gap/) } });
  expect(await users.get("a")).toEqual({ kind: "hit", value: value(3) });
  expect(await users.touch("a", { ttlMs: 5_000 })).toBe(true);
  await others.setMany(names(30, "k").map((key) => [key, value(5)] as const));
  expect(await users.getMany(["a", "k0", "k29"])).toHaveLength(3);
  await users.invalidate({ keys: ["k0"] });
  await users.invalidate({ tags: ["t"] });
  await users.invalidate({ prefix: "k1" });
  expect(await users.getOrLoad("l", () => value(7))).toEqual(value(7));
  expect(await users.getOrLoad("m", () => undefined)).toBeUndefined();
  await others.invalidate({ all: true });
  await cache.sync();
  expect(await users.get("a")).toEqual({ kind: "miss" });
}

function startField(settings: Settings): Promise<Field & AsyncDisposable> {
  const server = createServer({
    listen: "127.0.0.1:0",
    limits: settings,
    transport: { ...settings, ...CALM },
    store: createStore({
      engine: settings.storeEngine,
      shards: settings.shards,
      budgetBytes: settings.storeBudgetBytes,
      logMaxEvents: settings.logMaxEvents,
      logMaxBytes: settings.logMaxBytes,
      namespacesMax: settings.namespacesMax,
      tagFencesMax: settings.tagFencesMax,
      prefixFencesMax: settings.prefixFencesMax,
      tombstonesMax: settings.tombstonesMax,
      leasesMax: settings.leasesMax,
      waitersMax: settings.leaseWaitersMax,
      requestIdsMax: settings.requestIdsMax,
    }),
  });
  const clients: MeshCache[] = [];
  return server.start().then((address) => {
    const connect = (options: Partial<ClientOptions> = {}) => {
      // Pings, and so acknowledged cursors, come often.
      const client = new MeshCache({ address, deadlineMs: 20_000, pingMs: 20, ...options });
      clients.push(client);
      return client;
    };
    return {
      connect,
      cache: connect(),
      other: connect(),
      async [Symbol.asyncDispose]() {
        await Promise.all(clients.map((client) => client.close({ graceMs: 0 })));
        await server.close();
      },
    };
  });
}

describe("L3: a client of a server", () => {
  const considered = SETTING_NAMES.flatMap((name) => {
    const about = CONSIDERED[name];
    if (typeof about !== "object") return [];
    return [
      { name, way: "lowered", about, to: about.lowered },
      { name, way: "raised", about, to: about.raised },
    ];
  });
  let field: (Field & AsyncDisposable) | undefined;
  afterEach(async () => {
    await field?.[Symbol.asyncDispose]();
    field = undefined;
  });

  it("is considered for every setting", () => {
    expect(Object.keys(CONSIDERED).sort()).toEqual([...SETTING_NAMES].sort());
  });

  it.each(considered)("works with $name $way to $to.value", async ({ name, about, to }) => {
    field = await startField(settingsSchema.parse({ ...to.with, [name]: to.value }));
    await useAll(field);
    await about.use?.(field, to.value);
    for (const client of [field.cache, field.other]) {
      const { connection } = client.stats();
      expect(connection).toMatchObject({ failures: 0, faults: 0, state: "ready" });
      if (about.replaces !== true) expect(connection.streams).toBe(1);
    }
  });
});

describe("L3: an invalidation whose events are more than the server sends in a message", () => {
  const TAGS = names(64, "tag");
  const KEYS = names(300, "key");

  it.each([
    ["tags", { tags: TAGS }],
    ["keys", { keys: KEYS }],
  ])("is a gap for who listens, and ends no stream: %s", async (_what, target) => {
    const settings = { shards: 1, valueMaxBytes: 512, sendMaxBytes: KIB };
    await using field = await startField(settingsSchema.parse(settings));
    const { cache: writer, other: reader } = field;
    const [written, read] = [open(writer, "n"), open(reader, "n")];
    await written.set("key0", value(1), { tags: TAGS.slice(0, 1) });
    await read.get("key0");
    expect((await read.entry("key0")).source).toBe("near");
    await written.invalidate(target);
    await reader.sync();
    expect((await read.get("key0")).kind).toBe("miss");
    expect((await written.get("key0")).kind).toBe("miss");
    // Those that fit come one by one.
    await Promise.all(KEYS.map((key) => written.set(key, value(1))));
    await reader.sync();
    for (const cache of [writer, reader]) {
      expect(cache.stats().connection).toMatchObject({ gaps: 1, failures: 0, streams: 1 });
    }
  });
});

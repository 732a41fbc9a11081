import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import type { EngineObservation, SetCommand, Store } from "../../src/store/api/store.ts";
import { createStore } from "../../src/store/engine/create-store.ts";
import { instruments } from "../../src/telemetry/instruments.ts";
import { observeAdmin } from "../../src/telemetry/observation.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { startTracedProcess, type TracedProcess } from "../support/traced-process.ts";

const gauges = {
  subscribers: () => 2,
  connections: () => 3,
  subscriberLagEvents: () => 7,
  busyPollMicros: () => 2_500_000,
  containedFaults: () => 2,
  heldBytes: () => 11,
  memoryRefusals: () => 4,
  memoryCollections: () => 5,
  frameFloods: () => ({ ping: 4, go_away: 1 }),
  tls: {
    handshakes: () => ({ completed: 6, refused: 2 }),
    certificateExpiryS: () => 1_800_000_000,
  },
  securityFilesRefused: () => true,
  denials: () => ({ read: 2, admin: 1 }),
  quotaRefusals: () => ({ operations_per_second: 3 }),
  authenticationFailures: () => ({ absent: 3, unknown: 1 }),
  shedOperations: () => ({ get: 1, set: 2 }),
  deferredCalls: () => 6,
  refusedConnections: () => 7,
  stalledConnections: () => 9,
  drainCuts: () => 8,
  queueOverflows: () => ({ stream: 1, process: 0, connection: 2 }),
  refusedOperations: () => ({ FIELD_INVALID: 3 }),
  snapshot: { kind: "loaded", writtenAtMs: 0, entries: 4, bytes: 5, loadMs: 6 } as const,
};
const writer = { origin: "", traceparent: "" };
const set: SetCommand = {
  namespace: "users",
  key: "canary-key",
  value: new Uint8Array(10),
  ttlMs: 0,
  staleMs: 0,
  tags: [],
  contentType: "",
  contentEncoding: "",
  absent: false,
  sourceVersion: 0n,
  condition: { kind: "always" },
  requestId: 0n,
  writer,
};

/** The samples of the Prometheus text by "name{labels}", without the resource. */
const samples = (text: string): Map<string, number> =>
  new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#") && !line.startsWith("target_info"))
      .map((line) => {
        const space = line.lastIndexOf(" ");
        return [line.slice(0, space), Number(line.slice(space + 1))];
      }),
  );

/** The name in the Prometheus text. */
const spelled = (name: string): string => name.replaceAll(".", "_");

let store: Store;
let traced: TracedProcess;

const engine: EngineObservation = {
  shards: { ready: 60, syncing: 1, held: 1, adrift: 2 },
  operationsOut: 7,
  calls: { answered: 30, refused: 4, lost: 1 },
  epochs: 2,
  unacknowledged: 3,
};

/** A store of each kind has some instruments to itself: those of a tier are read from here. */
const observeAll = (): void => {
  traced.telemetry.observeProcess(Object.assign(store, { engine }), gauges);
  traced.telemetry.observeThread(gauges);
  observeAdmin(traced.sdk.meterProvider, { refusedConnections: () => 5 });
};

beforeEach(async () => {
  store = createStore({ clock: new ManualClock(), rng: createSeededRng(1) });
  traced = await startTracedProcess({});
});
afterEach(() => traced.stop());

describe("instruments", () => {
  it("have names and units that are valid and distinct in Prometheus and OTLP", () => {
    const names = Object.values(instruments).map((row) => spelled(row.name));
    expect(new Set(names).size).toBe(names.length);
    for (const row of Object.values(instruments)) {
      expect(row.name).toMatch(/^(meshcache|rpc\.server|nodejs)\.[a-z0-9_.]+$/);
      expect(row.description).not.toBe("");
      expect(row.unit).toMatch(/^(s|By|\{[a-z]+\})$/);
    }
  });

  it("are not collected of an engine where there is none", async () => {
    traced.telemetry.observeProcess(store, gauges);
    expect(await traced.sdk.metricsText()).not.toContain("meshcache_tier_");
  });

  it("show what a server does with its engine", async () => {
    observeAll();
    const found = samples(await traced.sdk.metricsText());
    expect(found.get('meshcache_tier_shards{meshcache_state="adrift"}')).toBe(2);
    expect(found.get('meshcache_tier_calls_total{meshcache_outcome="lost"}')).toBe(1);
    expect(found.get("meshcache_tier_operations")).toBe(7);
  });

  it("are all collected, with exactly the labels of the table", async () => {
    observeAll();
    traced.telemetry.startCall("meshcache.v1.CacheService/Get", () => undefined).end(13);
    const text = await traced.sdk.metricsText();
    const lines = [...samples(text).keys()];
    for (const row of Object.values(instruments)) {
      const own = lines.filter((line) =>
        new RegExp(`^${spelled(row.name)}(_total|_bucket|_sum|_count)?(\\{|$)`).test(line),
      );
      expect(own, row.name).not.toEqual([]);
      const labels = own.flatMap((line) => [...line.matchAll(/([a-z_]+)="/g)].map((match) => match[1] ?? ""));
      expect([...new Set(labels)].filter((label) => label !== "le").sort(), row.name).toEqual(
        row.labels.map(spelled).sort(),
      );
      expect(text).toContain(`# HELP ${spelled(row.name)}`);
    }
  });

  it("have the counts of the store", async () => {
    observeAll();
    const get = { namespace: "users", key: "canary-key", ifVersion: 0, ifEpoch: 0n, allowStale: false };
    store.get(get);
    store.set(set);
    store.get(get);
    store.get(get);
    store.set({ ...set, condition: { kind: "ifAbsent" } });
    store.lease({ namespace: "users", key: "other", waitMs: 0, leaseMs: 1_000 });
    store.lease({ namespace: "users", key: "other", waitMs: 0, leaseMs: 1_000 });
    store.invalidate({
      namespace: "users",
      target: { kind: "tags", tags: ["t"] },
      soft: false,
      sourceVersion: 0n,
      writer,
    });

    const text = await traced.sdk.metricsText();
    const values = samples(text);
    expect(values.get('meshcache_reads_total{meshcache_outcome="hit"}')).toBe(2);
    expect(values.get('meshcache_sets_total{meshcache_outcome="stored"}')).toBe(1);
    expect(values.get('meshcache_sets_total{meshcache_outcome="not_stored"}')).toBe(1);
    expect(values.get('meshcache_leases_total{meshcache_outcome="granted"}')).toBe(1);
    expect(values.get('meshcache_leases_total{meshcache_outcome="held"}')).toBe(1);
    expect(values.get('meshcache_invalidations_total{meshcache_target="tag"}')).toBe(1);
    expect(values.get("meshcache_subscribers")).toBe(2);
    expect(values.get("meshcache_subscribers_lag")).toBe(7);
    expect(values.get("meshcache_connections")).toBe(3);
    expect(values.get("meshcache_busy_poll_time_total")).toBe(2.5);
    const entries = [...values].filter(([name]) => name.startsWith("meshcache_entries{"));
    expect(entries).toHaveLength(store.shardCount);
    expect(entries.reduce((sum, [, value]) => sum + value, 0)).toBe(1);
    expect(
      values.get('meshcache_namespace_reads_total{meshcache_namespace="users",meshcache_outcome="hit"}'),
    ).toBe(2);
    expect(values.get('meshcache_namespace_entries{meshcache_namespace="users"}')).toBe(1);
    expect(values.get('meshcache_namespace_entries{meshcache_namespace="other"}')).toBe(0);
    expect(text).not.toMatch(/canary/);
  });

  it("are no longer read when they are unregistered", async () => {
    traced.telemetry.observeProcess(store, gauges)();
    traced.telemetry.observeThread(gauges)();
    const text = await traced.sdk.metricsText();
    expect(text).not.toContain("meshcache_subscribers 2");
    expect(text).not.toContain("meshcache_subscribers_lag 7");
  });
});

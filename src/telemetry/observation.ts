/** The instruments that are read when metrics are collected: counters of the store, gauges of the server, the event loop. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type {
  Attributes,
  BatchObservableCallback,
  Meter,
  MeterProvider,
  Observable,
} from "@opentelemetry/api";
import type { SnapshotOutcome } from "../store/api/snapshot-outcome.ts";
import type {
  EngineObservation,
  NamespaceCounters,
  NamespaceUsage,
  ShardStats,
  StoreView,
} from "../store/api/store.ts";
import { SCOPE } from "./conventions.ts";
import { type InstrumentRow, instruments } from "./instruments.ts";
import { NamedNamespaces } from "./named-namespaces.ts";
import type { AdminObservation, ProcessObservation, ThreadObservation, TlsObservation } from "./telemetry.ts";

const NAMESPACE = "meshcache.namespace";

type Observe = (value: number, attributes?: Attributes) => void;
type Reader = readonly [row: InstrumentRow, read: (observe: Observe) => void];

/** Registers the instruments of a process. Returns a function that unregisters them. */
export function observeProcess(meter: Meter, store: StoreView, process: ProcessObservation): () => void {
  return register(meter, [
    ...storeReaders(store),
    ...engineReaders(store),
    single(instruments.subscribers, () => process.subscribers()),
    single(instruments.connections, () => process.connections()),
    single(instruments.heldBytes, () => process.heldBytes()),
    ...snapshotReaders(process.snapshot),
  ]);
}

/** Registers the instruments of this thread. Each collection begins a new period for the delays of its event loop. */
export function observeThread(meter: Meter, thread: ThreadObservation): () => void {
  const eventLoop = watchEventLoop();
  const lag = single(instruments.subscriberLag, () => thread.subscriberLagEvents());
  const busyPoll = single(instruments.busyPollTime, () => thread.busyPollMicros() / 1e6);
  const faults = single(instruments.containedFaults, () => thread.containedFaults());
  const refusals = single(instruments.memoryRefusals, () => thread.memoryRefusals());
  const collections = single(instruments.memoryCollections, () => thread.memoryCollections());
  const floods = byLabel(instruments.frameFloods, "meshcache.frame", () => thread.frameFloods());
  const files = single(instruments.securityFilesRefused, () => Number(thread.securityFilesRefused()));
  const unknown = byLabel(instruments.authenticationFailures, "meshcache.reason", () =>
    thread.authenticationFailures(),
  );
  const denied = byLabel(instruments.denials, "meshcache.permission", () => thread.denials());
  const spent = byLabel(instruments.quotaRefusals, "meshcache.limit", () => thread.quotaRefusals());
  const security = [
    files,
    unknown,
    denied,
    spent,
    ...(thread.tls === undefined ? [] : tlsReaders(thread.tls)),
  ];
  const shed = byLabel(instruments.shedOperations, "meshcache.operation", () => thread.shedOperations());
  const deferred = single(instruments.deferredCalls, () => thread.deferredCalls());
  const refused = single(instruments.connectionsRefused, () => thread.refusedConnections());
  const stalled = single(instruments.stalledConnections, () => thread.stalledConnections());
  const cuts = single(instruments.drainCuts, () => thread.drainCuts());
  const overflows = byLabel(instruments.queueOverflows, "meshcache.bound", () => thread.queueOverflows());
  const refusedOperations = byLabel(instruments.refusedOperations, "meshcache.reason", () =>
    thread.refusedOperations(),
  );
  const readers = [
    lag,
    busyPoll,
    faults,
    refusals,
    collections,
    floods,
    shed,
    deferred,
    refused,
    stalled,
    cuts,
    overflows,
    refusedOperations,
    ...security,
    ...eventLoop.readers,
  ];
  const unregister = register(meter, readers, () => eventLoop.reset());
  return () => {
    unregister();
    eventLoop.close();
  };
}

function tlsReaders(tls: TlsObservation): Reader[] {
  return [
    byLabel(instruments.tlsHandshakes, "meshcache.outcome", () => tls.handshakes()),
    single(instruments.tlsCertificateExpiry, () => tls.certificateExpiryS()),
  ];
}

/** Registers the instruments of the admin port, for as long as the provider lives. */
export function observeAdmin(provider: MeterProvider, admin: AdminObservation): void {
  register(provider.getMeter(SCOPE), [
    single(instruments.adminConnectionsRefused, () => admin.refusedConnections()),
  ]);
}

function register(meter: Meter, readers: readonly Reader[], afterCollection = () => {}): () => void {
  const bound = readers.map(([row, read]) => ({ instrument: createObservable(meter, row), read }));
  const callback: BatchObservableCallback = (result) => {
    for (const { instrument, read } of bound)
      read((value, attributes) => result.observe(instrument, value, attributes));
    afterCollection();
  };
  const observed = bound.map(({ instrument }) => instrument);
  meter.addBatchObservableCallback(callback, observed);
  return () => meter.removeBatchObservableCallback(callback, observed);
}

function createObservable(meter: Meter, row: InstrumentRow): Observable {
  const options = { unit: row.unit, description: row.description };
  return row.kind === "counter"
    ? meter.createObservableCounter(row.name, options)
    : meter.createObservableGauge(row.name, options);
}

function storeReaders(store: StoreView): Reader[] {
  const { counters } = store;
  return [
    byLabel(instruments.reads, "meshcache.outcome", () => toReads(counters)),
    byLabel(instruments.sets, "meshcache.outcome", () => toSets(counters)),
    single(instruments.touches, () => counters.touches),
    byLabel(instruments.invalidations, "meshcache.target", () => toInvalidations(counters)),
    byLabel(instruments.evictions, "meshcache.reason", () => toEvictions(counters)),
    byLabel(instruments.leases, "meshcache.outcome", () => ({
      granted: counters.leasesGranted,
      held: counters.leasesHeld,
      shared: counters.leasesShared,
      filled: counters.leasesFilled,
      lost: counters.leasesLost,
      expired: counters.leasesExpired,
      released: counters.leasesReleased,
      abandoned: counters.leasesAbandoned,
      displaced: counters.leasesDisplaced,
      refused: counters.leasesRefused,
    })),
    byLabel(instruments.pruned, "meshcache.record", () => ({
      tag_fence: counters.tagFencesPruned,
      prefix_fence: counters.prefixFencesMerged,
      tombstone: counters.tombstonesPruned,
      request_id: counters.requestIdsPruned,
    })),
    single(instruments.sharedNamespaces, () => counters.namespacesShared),
    single(instruments.subscriberOverruns, () => counters.overruns),
    ...namespaceReaders(store),
    byShard(instruments.entries, store, (shard) => shard.entries),
    byShard(instruments.memoryUsage, store, (shard) => shard.bytes),
    byShard(instruments.memoryLimit, store, (shard) => shard.budgetBytes),
    byShard(instruments.logEvents, store, (shard) => shard.logEvents),
  ];
}

function engineReaders(store: StoreView): Reader[] {
  if (store.engine === undefined) return [];
  const { engine } = store;
  // Each read is of now.
  const now = (): EngineObservation => store.engine ?? engine;
  return [
    byLabel(instruments.tierShards, "meshcache.state", () => now().shards),
    single(instruments.tierOperations, () => now().operationsOut),
    byLabel(instruments.tierCalls, "meshcache.outcome", () => now().calls),
    single(instruments.tierEpochs, () => now().epochs),
    single(instruments.tierUnacknowledged, () => now().unacknowledged),
  ];
}

function snapshotReaders(outcome: SnapshotOutcome | undefined): Reader[] {
  if (outcome === undefined) return [];
  const word = outcome.kind === "refused" ? outcome.reason : outcome.kind;
  const starts = byLabel(instruments.snapshotStarts, "meshcache.outcome", () => ({ [word]: 1 }));
  if (outcome.kind !== "loaded") return [starts];
  const { entries, bytes, loadMs } = outcome;
  return [
    starts,
    single(instruments.snapshotEntries, () => entries),
    single(instruments.snapshotSize, () => bytes),
    single(instruments.snapshotLoadTime, () => loadMs / 1_000),
  ];
}

/** Each collection reads the namespaces once: the readers of a collection run one after the other, this one first. */
function namespaceReaders(store: StoreView): Reader[] {
  const named = new NamedNamespaces();
  let usages: readonly NamespaceUsage[] = [];
  const gauge =
    (read: (usage: NamespaceUsage) => number, before = () => {}) =>
    (observe: Observe) => {
      before();
      for (const usage of usages) observe(read(usage), { [NAMESPACE]: usage.namespace ?? "" });
    };
  const counter =
    (label: string, read: (counters: NamespaceCounters) => Readonly<Record<string, number>>) =>
    (observe: Observe) => {
      for (const { namespace = "", counters } of usages) {
        for (const [value, count] of Object.entries(read(counters))) {
          observe(count, { [NAMESPACE]: namespace, [label]: value });
        }
      }
    };
  const readAll = (): void => {
    usages = named.read(store.namespaces());
  };
  return [
    [instruments.namespaceEntries, gauge((usage) => usage.entries, readAll)],
    [instruments.namespaceMemoryUsage, gauge((usage) => usage.bytes)],
    [instruments.namespaceReads, counter("meshcache.outcome", toReads)],
    [instruments.namespaceSets, counter("meshcache.outcome", toSets)],
    [instruments.namespaceInvalidations, counter("meshcache.target", toInvalidations)],
    [instruments.namespaceEvictions, counter("meshcache.reason", toEvictions)],
  ];
}

const toReads = (counters: NamespaceCounters) => ({
  hit: counters.hits,
  stale_hit: counters.staleHits,
  miss: counters.misses,
});
const toSets = (counters: NamespaceCounters) => ({ stored: counters.sets, not_stored: counters.setsRefused });
const toInvalidations = (counters: NamespaceCounters) => ({
  key: counters.invalidatedKeys,
  tag: counters.invalidatedTags,
  prefix: counters.invalidatedPrefixes,
  all: counters.invalidatedAll,
});
const toEvictions = (counters: NamespaceCounters) => ({
  capacity: counters.evictedCapacity,
  expired: counters.evictedExpired,
  fenced: counters.evictedFenced,
});

function watchEventLoop(): { readers: Reader[]; reset(): void; close(): void } {
  const delays = monitorEventLoopDelay({ resolution: 20 });
  delays.enable();
  const toSeconds = (nanoseconds: number): number => nanoseconds / 1e9;
  return {
    readers: [
      single(instruments.eventLoopDelayP99, () => toSeconds(delays.percentile(99))),
      single(instruments.eventLoopDelayMax, () => toSeconds(delays.max)),
    ],
    reset: () => delays.reset(),
    close: () => delays.disable(),
  };
}

function single(row: InstrumentRow, read: () => number): Reader {
  return [row, (observe) => observe(read())];
}

function byLabel(row: InstrumentRow, label: string, read: () => Readonly<Record<string, number>>): Reader {
  return [
    row,
    (observe) => {
      for (const [value, count] of Object.entries(read())) observe(count, { [label]: value });
    },
  ];
}

function byShard(row: InstrumentRow, store: StoreView, read: (shard: ShardStats) => number): Reader {
  return [
    row,
    (observe) => {
      for (const [index, shard] of store.shards().entries())
        observe(read(shard), { "meshcache.shard": index });
    },
  ];
}

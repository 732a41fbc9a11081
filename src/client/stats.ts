/** What the client counts, for `MeshCache.stats()` and for metrics. */
import type { ClientEventCounts } from "./api/client-events.ts";
import type { ConnectionCounters, ConnectionState } from "./connection/connection.ts";
import type { ProbeCounters } from "./near-cache/coherence-probe.ts";
import type { NearCounters } from "./near-cache/near-cache.ts";
import type { InvalidationCounters } from "./operations/invalidation-queue.ts";
import type { LoadCounters } from "./operations/namespace-context.ts";
import { createUnkeptCounts } from "./operations/unkept-loads.ts";
import { type CompressionCounters, createCompressionCounters } from "./operations/value-packing.ts";
import type { Observations } from "./telemetry/instruments.ts";

/** Counted over all namespaces from when the client was made. */
export interface ClientCounters {
  readonly near: NearCounters;
  readonly loads: LoadCounters;
  readonly probes: ProbeCounters;
  readonly invalidations: InvalidationCounters;
  readonly compression: CompressionCounters;
  /** Times that events may have been missed. */
  gaps: number;
}

export function createCounters(): ClientCounters {
  return {
    near: {
      hits: 0,
      misses: 0,
      outageHits: 0,
      fills: 0,
      fillsRefused: 0,
      invalidated: 0,
      evicted: 0,
      revalidated: 0,
    },
    loads: {
      loads: 0,
      loadFailures: 0,
      failuresRepeated: 0,
      failuresForgotten: 0,
      loadsShared: 0,
      loadsUnkept: 0,
      unkeptBy: createUnkeptCounts(),
      staleServed: 0,
    },
    probes: { probes: 0, probesStale: 0, probeViolations: 0 },
    invalidations: { queued: 0, overflows: 0, refused: 0 },
    compression: createCompressionCounters(),
    gaps: 0,
  };
}

/** The near caches of a client together. */
export interface NearStats extends Readonly<NearCounters> {
  /** Entries in all near caches now. */
  readonly entries: number;
  /** Their estimated size in bytes. */
  readonly bytes: number;
}

/** The invalidations of a client that had no connection, or got no answer. */
export interface InvalidationStats extends Readonly<InvalidationCounters> {
  /** Keys, tags and prefixes whose invalidation no server has acknowledged yet. */
  readonly waiting: number;
}

/** The connection of a client. */
export interface ConnectionStats extends Readonly<ConnectionCounters> {
  readonly state: ConnectionState;
  /** Where operations go now, or would go next: "host:port". */
  readonly address: string;
  /** Operations that wait or are under way. */
  readonly inFlight: number;
  /** Selectors of the subscription now. */
  readonly selectors: number;
  /** Of these the ones that select all namespaces whose names have a prefix, since there are too many for one each. */
  readonly wideSelectors: number;
  /** Events that such selectors brought of namespaces that are not open here. */
  readonly unwantedEvents: number;
  /** Times that events may have been missed, so that near copies were suspect. */
  readonly gaps: number;
  /** Two stores answer at one address. Near caches are off until one remains. */
  readonly twoStores: boolean;
  /**
   * Callbacks that failed. By a fault of this library: most end their connection, and the client connects again. Or because
   * the application's OpenTelemetry providers threw: at most a signal is lost.
   */
  readonly faults: number;
}

/** A snapshot. Counters count from when the client was made. */
export interface ClientStats {
  /** Namespaces that are open. */
  readonly namespaces: number;
  /** What the near caches hold and did. */
  readonly near: NearStats;
  /** What `getOrLoad` did. */
  readonly loads: Readonly<LoadCounters>;
  /** What the coherence probe found. */
  readonly probes: Readonly<ProbeCounters>;
  /** The invalidations that are or were queued. */
  readonly invalidations: InvalidationStats;
  /** Values that were compressed or came compressed. */
  readonly compression: Readonly<CompressionCounters>;
  /** The state of the connection, and what it did. */
  readonly connection: ConnectionStats;
  /** How often each kind of event happened, reported or not. */
  readonly events: Readonly<ClientEventCounts>;
}

/** The values of the instruments that metrics read. */
export function toObservations(stats: ClientStats): Observations {
  const { near, loads, probes, invalidations, compression, connection, events } = stats;
  return {
    nearHits: near.hits,
    nearMisses: near.misses,
    nearOutageHits: near.outageHits,
    nearFills: near.fills,
    nearFillsRefused: near.fillsRefused,
    nearInvalidated: near.invalidated,
    nearEvicted: near.evicted,
    nearRevalidated: near.revalidated,
    nearEntries: near.entries,
    nearBytes: near.bytes,
    loads: loads.loads,
    loadsFailed: loads.loadFailures,
    loadsShared: loads.loadsShared,
    loadsUnkept: loads.loadsUnkept,
    loadFailuresRepeated: loads.failuresRepeated,
    loadFailuresForgotten: loads.failuresForgotten,
    staleServed: loads.staleServed,
    probes: probes.probes,
    probesStale: probes.probesStale,
    invalidationsWaiting: invalidations.waiting,
    invalidationsQueued: invalidations.queued,
    invalidationsOverflows: invalidations.overflows,
    invalidationsRefused: invalidations.refused,
    valuesCompressed: compression.compressed,
    valuesSavedBytes: compression.savedBytes,
    valuesDecompressed: compression.decompressed,
    streams: connection.streams,
    failures: connection.failures,
    gaps: connection.gaps,
    faults: connection.faults,
    events: { ...events },
    ready: connection.state === "ready" ? 1 : 0,
    batches: connection.batches,
    operations: connection.operations,
    operationsRetried: connection.retries,
    operationsInFlight: connection.inFlight,
    namespaces: stats.namespaces,
    selectors: connection.selectors,
    wideSelectors: connection.wideSelectors,
    unwantedEvents: connection.unwantedEvents,
  };
}

/** What the client counts, as its owner reads it and as metrics do. */
import type { ConnectionCounters, ConnectionState } from "./connection/connection.ts";
import type { ProbeCounters } from "./near-cache/coherence-probe.ts";
import type { NearCounters } from "./near-cache/near-cache.ts";
import type { LoadCounters } from "./operations/namespace-context.ts";
import type { ObservedName } from "./telemetry/instruments.ts";

/** A snapshot; counters count from the start. */
export interface ClientStats {
  readonly near: Readonly<NearCounters> & { readonly entries: number; readonly bytes: number };
  readonly loads: Readonly<LoadCounters>;
  readonly probes: Readonly<ProbeCounters>;
  readonly connection: Readonly<ConnectionCounters> & {
    readonly state: ConnectionState;
    /** Where operations go. */
    readonly address: string;
    /** Operations queued or under way. */
    readonly inFlight: number;
    /** Times that events may have been missed, so that near copies were suspect. */
    readonly gaps: number;
    /** Callbacks that failed by a fault of this library. Each ended its connection, and the next one follows. */
    readonly faults: number;
  };
}

/** Every observed instrument's value. */
export function toObservations(stats: ClientStats): Readonly<Record<ObservedName, number>> {
  const { near, loads, probes, connection } = stats;
  return {
    nearHits: near.hits,
    nearMisses: near.misses,
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
    staleServed: loads.staleServed,
    probes: probes.probes,
    probesStale: probes.probesStale,
    streams: connection.streams,
    failures: connection.failures,
    gaps: connection.gaps,
    faults: connection.faults,
    ready: connection.state === "ready" ? 1 : 0,
    batches: connection.batches,
    operations: connection.operations,
    operationsRetried: connection.retries,
    operationsInFlight: connection.inFlight,
  };
}

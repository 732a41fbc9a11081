/** What the reader, writer and loader of one namespace share: its name and options, and parts of the client. */
import type { Clock } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import type { ResolvedNamespaceOptions } from "../api/namespace-options.ts";
import type { Coherence } from "../coherence/coherence.ts";
import type { InvalidationBus } from "../coherence/invalidation-bus.ts";
import type { ValueReader } from "../near-cache/cached-entry.ts";
import type { NearCache } from "../near-cache/near-cache.ts";
import type { ClientTelemetry } from "../telemetry/telemetry.ts";
import type { OperationRunner } from "./runner.ts";

/** What `getOrLoad` did, counted over all namespaces from when the client was made. */
export interface LoadCounters {
  /** Loader runs. */
  loads: number;
  /** Loader runs that threw or took too long. */
  loadFailures: number;
  /** `getOrLoad` calls that joined a load in flight in this process. */
  loadsShared: number;
  /** Loaded values that were not stored: the entry had changed, or no server was reachable. */
  loadsUnkept: number;
  /** Stale values that were served during a load. */
  staleServed: number;
}

export interface NamespaceContext<Value> {
  readonly namespace: string;
  readonly options: ResolvedNamespaceOptions<Value>;
  readonly near: NearCache<Value> | undefined;
  readonly values: ValueReader<Value>;
  readonly coherence: Coherence;
  readonly invalidations: InvalidationBus;
  readonly runner: OperationRunner;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly telemetry: ClientTelemetry;
  readonly loads: LoadCounters;
  /** Identifies a Set, so that the server recognises a retry. Never 0n. */
  nextRequestId(): bigint;
}

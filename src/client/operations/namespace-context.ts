/** What the reader, writer and loader of one namespace share: its name and options, and parts of the client. */
import type { Clock } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import type { ReportEvent, UnkeptReason } from "../api/client-events.ts";
import type { ResolvedNamespaceOptions } from "../api/namespace-options.ts";
import type { Coherence } from "../coherence/coherence.ts";
import type { InvalidationBus } from "../coherence/invalidation-bus.ts";
import type { ValueReader } from "../near-cache/cached-entry.ts";
import type { NearCache } from "../near-cache/near-cache.ts";
import type { ClientTelemetry } from "../telemetry/telemetry.ts";
import type { InvalidationQueue } from "./invalidation-queue.ts";
import type { OperationRunner } from "./runner.ts";
import type { UnkeptLoads } from "./unkept-loads.ts";
import type { ValuePacking } from "./value-packing.ts";

/** What `getOrLoad` did, counted over all namespaces from when the client was made. */
export interface LoadCounters {
  /** Loader runs. */
  loads: number;
  /** Loader runs that threw or took too long. */
  loadFailures: number;
  /** Calls that got the error of a load that had failed within `failureCooldownMs`. */
  failuresRepeated: number;
  /** Failures that were forgotten before their cooldown was over: 1,024 are remembered for each namespace. */
  failuresForgotten: number;
  /** `getOrLoad` calls that joined a load in flight in this process. */
  loadsShared: number;
  /** Loaded values that were returned and not stored. */
  loadsUnkept: number;
  /** The same, by the reason. */
  readonly unkeptBy: Record<UnkeptReason, number>;
  /** Stale values that were served during a load. */
  staleServed: number;
}

/** What all namespaces of a client share. */
export interface SharedParts {
  readonly coherence: Coherence;
  readonly invalidations: InvalidationBus;
  readonly invalidationQueue: InvalidationQueue;
  readonly runner: OperationRunner;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly telemetry: ClientTelemetry;
  readonly loads: LoadCounters;
  readonly unkept: UnkeptLoads;
  readonly report: ReportEvent;
  /** Identifies a Set, so that the server recognises a retry. Never 0n. */
  nextRequestId(): bigint;
}

/** What one namespace has for itself. */
interface OwnParts<Value> {
  readonly namespace: string;
  readonly options: ResolvedNamespaceOptions<Value>;
  readonly near: NearCache<Value> | undefined;
  readonly values: ValueReader<Value>;
  readonly packing: ValuePacking;
  /** Makes a span for a copy that is served in an outage. Undefined: the options do not ask for it. */
  readonly outageHit: (() => void) | undefined;
}

/** There may be very many: each holds one reference to what they share. */
export class NamespaceContext<Value> implements OwnParts<Value>, SharedParts {
  readonly namespace: string;
  readonly options: ResolvedNamespaceOptions<Value>;
  readonly near: NearCache<Value> | undefined;
  readonly values: ValueReader<Value>;
  readonly packing: ValuePacking;
  readonly outageHit: (() => void) | undefined;
  readonly #shared: SharedParts;

  constructor(own: OwnParts<Value>, shared: SharedParts) {
    this.namespace = own.namespace;
    this.options = own.options;
    this.near = own.near;
    this.values = own.values;
    this.packing = own.packing;
    this.outageHit = own.outageHit;
    this.#shared = shared;
  }

  get coherence(): Coherence {
    return this.#shared.coherence;
  }

  get invalidations(): InvalidationBus {
    return this.#shared.invalidations;
  }

  get invalidationQueue(): InvalidationQueue {
    return this.#shared.invalidationQueue;
  }

  get runner(): OperationRunner {
    return this.#shared.runner;
  }

  get clock(): Clock {
    return this.#shared.clock;
  }

  get rng(): Rng {
    return this.#shared.rng;
  }

  get telemetry(): ClientTelemetry {
    return this.#shared.telemetry;
  }

  get loads(): LoadCounters {
    return this.#shared.loads;
  }

  get unkept(): UnkeptLoads {
    return this.#shared.unkept;
  }

  get report(): ReportEvent {
    return this.#shared.report;
  }

  nextRequestId(): bigint {
    return this.#shared.nextRequestId();
  }
}

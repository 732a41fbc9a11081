/** What serves calls, without what brings them: the services over the store, the register of calls and the list of streams. */
import { type Boundary, createBoundary } from "../common/boundary.ts";
import { type Clock, systemClock } from "../common/clock.ts";
import { type Rng, systemRng } from "../common/random.ts";
import { VERSION } from "../common/version.ts";
import { type Limits, resolveLimits } from "../rpc/limits.ts";
import type { Security } from "../security/security.ts";
import type { Backend } from "../store/api/backend.ts";
import type { SnapshotOutcome } from "../store/api/snapshot-outcome.ts";
import { createStore } from "../store/engine/create-store.ts";
import { createNoTelemetry } from "../telemetry/no-telemetry.ts";
import type { ProcessObservation, Telemetry } from "../telemetry/telemetry.ts";
import { createOpenCalls, type OpenCalls } from "./calls/registry.ts";
import type { ProcessBounds } from "./limits/quotas.ts";
import { RefusalCounts } from "./limits/refusal-counts.ts";
import { checkRequestRoom, type TransportLimits } from "./limits/transport-limits.ts";
import { NO_FACTS, type ServerFacts } from "./services/admin-service.ts";
import { askOne, type Inquiry, type Respond } from "./services/inquiry.ts";
import { createServices, type Services } from "./services/services.ts";
import { reportOf } from "./services/thread-report.ts";
import { type BusyPoll, createBusyPoll } from "./streams/busy-poll.ts";
import { createStreamRegistry, type StreamRegistry } from "./streams/stream-registry.ts";

export interface HostOptions {
  /** Default: an embedded store with its own defaults. */
  readonly store?: Backend;
  /** Bounds of message fields. */
  readonly limits?: Partial<Limits>;
  /** Default: none. */
  readonly telemetry?: Telemetry;
  /** What became of the snapshot that the store was to begin with, for who observes the server. */
  readonly snapshot?: SnapshotOutcome | undefined;
  /** What AdminService says of how the server was started. Default: nothing. */
  readonly facts?: ServerFacts;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** For the embedded store and the ages of connections. Default: the system's. */
  readonly rng?: Rng;
}

/** Where it stands among those of its process. */
export interface HostPlace {
  /** The bounds that all of them share. */
  readonly bounds: ProcessBounds;
  /** When the process began to serve, by the clock. */
  readonly startedMs: number;
  /** The number of its thread, from 0. */
  readonly worker: number;
  /** How many threads serve calls. */
  readonly workers: number;
  /** Asks all threads that serve calls. Default: there are no others. */
  readonly inquiryOf?: (respond: Respond) => Inquiry;
}

/** What another host of the process, such as that of the admin port, needs to answer as this one does. */
export interface OperatorView {
  readonly inquiry: Inquiry;
  readonly observation: ProcessObservation;
  readonly facts: ServerFacts;
  readonly limits: Limits;
  readonly transport: TransportLimits;
  readonly telemetry: Telemetry;
  readonly startedMs: number;
  readonly workers: number;
}

export interface ServiceHost {
  readonly store: Backend;
  readonly limits: Limits;
  readonly transport: TransportLimits;
  readonly telemetry: Telemetry;
  readonly boundary: Boundary;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly calls: OpenCalls;
  readonly streams: StreamRegistry;
  readonly busyPoll: BusyPoll;
  readonly refusals: RefusalCounts;
  readonly services: Services;
  readonly observation: ProcessObservation;
  readonly operators: OperatorView;
}

export function createServiceHost(
  options: HostOptions,
  transport: TransportLimits,
  place: HostPlace,
  security: Security,
  observed?: ProcessObservation,
): ServiceHost {
  const { bounds, startedMs, worker, workers, inquiryOf = askOne } = place;
  const clock = options.clock ?? systemClock;
  const rng = options.rng ?? systemRng;
  const telemetry = options.telemetry ?? createNoTelemetry();
  const limits = resolveLimits(options.limits);
  const store = options.store ?? createStore({ clock, rng });
  const facts = options.facts ?? NO_FACTS;
  const boundary = createBoundary((error) => {
    telemetry.logger.error({ err: error }, "a callback failed; its stream or connection was ended");
  });
  const { receiveMaxBytes } = limits;
  checkRequestRoom(receiveMaxBytes, transport);
  const calls = createOpenCalls(
    clock,
    telemetry,
    boundary,
    { ...transport, receiveMaxBytes },
    bounds.held,
    security.authenticator,
    rng,
  );
  const streams = createStreamRegistry(transport, bounds, boundary, calls.memory.turns);
  const observation = observed ?? {
    subscribers: () => bounds.subscribers.taken,
    connections: () => bounds.connections.taken,
    heldBytes: () => bounds.held.exactBytes(),
    snapshot: options.snapshot,
  };
  const busyPoll = createBusyPoll({ maxMs: transport.busyPollMaxMs, clock, boundary });
  const refusals = new RefusalCounts();
  const inquiry = inquiryOf(reportOf({ worker, calls, streams, telemetry, clock }));
  const services = createServices({
    limits,
    telemetry,
    boundary,
    clock,
    store,
    streams,
    busyPoll,
    shedder: calls.overload,
    refusals,
    observation,
    watchers: bounds.watchers,
    startedMs,
    serverVersion: VERSION,
    workers,
    facts,
    inquiry,
  });
  const operators = { inquiry, observation, facts, limits, transport, telemetry, startedMs, workers };
  return {
    store,
    limits,
    transport,
    telemetry,
    boundary,
    clock,
    rng,
    calls,
    streams,
    busyPoll,
    refusals,
    services,
    observation,
    operators,
  };
}

/** One server: puts its store, services and transport together, and starts, drains and stops them. */
import { createBoundary } from "../common/boundary.ts";
import { type Clock, systemClock } from "../common/clock.ts";
import { fieldInvalid } from "../common/errors.ts";
import { DEFAULT_ADDRESS, LISTEN_ADDRESS_FORM, parseListenAddress, toHostPort } from "../common/host-port.ts";
import { type Rng, systemRng } from "../common/random.ts";
import { VERSION } from "../common/version.ts";
import { type Limits, resolveLimits } from "../rpc/limits.ts";
import {
  openSecurity,
  type Security,
  type SecurityMemory,
  type SecurityOptions,
} from "../security/security.ts";
import type { Store } from "../store/api/store.ts";
import { createStore } from "../store/engine/create-store.ts";
import { createNoTelemetry } from "../telemetry/no-telemetry.ts";
import type { Telemetry, TlsObservation } from "../telemetry/telemetry.ts";
import { createOpenCalls, type OpenCalls } from "./calls/registry.ts";
import type { Acceleration } from "./connections/accelerator.ts";
import { type Connections, createConnections } from "./connections/listener.ts";
import { addMethods } from "./grpc-js/adapters.ts";
import { createGrpcServer } from "./grpc-js/server.ts";
import { createFrameFloods } from "./limits/frame-guard.ts";
import { createProcessBounds, type ProcessBounds } from "./limits/quotas.ts";
import { RefusalCounts } from "./limits/refusal-counts.ts";
import { resolveTransportLimits, type TransportLimits } from "./limits/transport-limits.ts";
import { maintainStore } from "./maintenance.ts";
import { NO_FACTS, type ServerFacts } from "./services/admin-service.ts";
import { askOne, type Inquiry, type Respond } from "./services/inquiry.ts";
import { createServices } from "./services/services.ts";
import { reportOf } from "./services/thread-report.ts";
import { drainServer } from "./shutdown.ts";
import { createBusyPoll } from "./streams/busy-poll.ts";
import {
  createStreamRegistry,
  endDeniedStreams,
  type StreamRegistry,
  slowestLagEvents,
} from "./streams/stream-registry.ts";

export interface ServerOptions {
  /** Default: an embedded store with its own defaults. */
  readonly store?: Store;
  /** "HOST:PORT", an IPv6 host in brackets; port 0 picks a free one. Default "127.0.0.1:50051". */
  readonly listen?: string;
  /** Bounds of message fields. */
  readonly limits?: Partial<Limits>;
  /** Bounds of connections, calls and queues. */
  readonly transport?: Partial<TransportLimits>;
  /**
   * Whether frequent calls, and connections that announce a single stream, are served without the layers of grpc-js. Off,
   * grpc-js serves every call: answers are the same, and each call costs about twice as much. Default "on".
   */
  readonly acceleration?: Acceleration;
  /** Default: none. */
  readonly telemetry?: Telemetry;
  /** What AdminService says of how the server was started. Default: nothing. */
  readonly facts?: ServerFacts;
  /** Whom the server lets in. Default: everybody, without TLS, and on loopback alone. */
  readonly security?: SecurityOptions;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** For the embedded store and the ages of connections. Default: the system's. */
  readonly rng?: Rng;
}

export interface CacheServer {
  /** "HOST:PORT" as bound. Throws before the start. */
  readonly address: string;
  readonly store: Store;
  /** Resolves with the address once the server accepts connections; rejects when it cannot listen. */
  start(): Promise<string>;
  /**
   * Shuts down gracefully. Health reports NOT_SERVING, streams get a Draining frame, and calls are still served while
   * clients leave. After half of `transport.drainMaxMs`, streams whose clients stay end with DRAINING. After all of it,
   * whatever still runs is cut. Calling it again returns the same promise.
   */
  drain(): Promise<void>;
  /** Stops at once, and ends a drain. Calling it again returns the same promise. */
  close(): Promise<void>;
}

/** Where a server stands among the servers of its process. */
export interface ServerPlace {
  /** The bounds that all of them share. */
  readonly bounds: ProcessBounds;
  /** What they share of security. Default: it has that for itself. */
  readonly securityMemory?: SecurityMemory;
  /** When the process began to serve, by the server's clock. */
  readonly startedMs: number;
  /** The others listen on the same port. */
  readonly sharesPort: boolean;
  /** The server has the process to itself: it maintains the store, and observes what the process has once. */
  readonly alone: boolean;
  /** The number of its thread, from 0. */
  readonly worker: number;
  /** How many threads serve calls. */
  readonly workers: number;
  /** Asks all threads that serve calls. Default: there are no others. */
  readonly inquiryOf?: (respond: Respond) => Inquiry;
}

/** Throws a RangeError that names the limit out of its range, or FIELD_INVALID for `listen` and for what is in `security`. */
export function createCacheServer(options: ServerOptions, place?: ServerPlace): CacheServer {
  const transport = resolveTransportLimits(options.transport);
  const clock = options.clock ?? systemClock;
  const listen = parseListenAddress(options.listen ?? DEFAULT_ADDRESS);
  if (listen === undefined) throw fieldInvalid("listen", LISTEN_ADDRESS_FORM);
  const { host, port } = listen;
  const stand = place ?? standAlone(transport, clock);
  const security = openSecurity(options.security, host, stand.securityMemory, clock);
  const parts = assemble(options, transport, stand, security);
  const { store, streams, calls, connections, observe, cut, forceShutdown } = parts;

  let address: string | undefined;
  let stopObserving = (): void => {};
  let drained: Promise<void> | undefined;
  let closed: Promise<void> | undefined;

  const end = async () => {
    connections.destroy();
    await connections.emptied();
    calls.close();
    forceShutdown();
    stopObserving();
  };
  const close = () => {
    closed ??= end();
    return closed;
  };

  return {
    store,
    get address() {
      if (address === undefined) throw new Error("the server has not started");
      return address;
    },
    async start() {
      address = toHostPort(host, await connections.listen(host, port));
      stopObserving = observe();
      return address;
    },
    drain() {
      const maxMs = transport.drainMaxMs;
      drained ??= drainServer({ clock, calls, streams, connections, maxMs }).then((open) => {
        cut(open);
        return close();
      });
      return drained;
    },
    close,
  };
}

interface ServerParts {
  readonly store: Store;
  readonly streams: StreamRegistry;
  readonly calls: OpenCalls;
  readonly connections: Connections;
  /** Observes the server, and maintains its store if nobody else does. Returns what stops both. */
  observe(): () => void;
  /** So many connections are ended, since the drain has taken too long. */
  cut(connections: number): void;
  /** Ends what grpc-js has left. */
  forceShutdown(): void;
}

function assemble(
  options: ServerOptions,
  transport: TransportLimits,
  place: ServerPlace,
  security: Security,
): ServerParts {
  const { bounds, startedMs, sharesPort, alone } = place;
  const clock = options.clock ?? systemClock;
  const rng = options.rng ?? systemRng;
  const telemetry = options.telemetry ?? createNoTelemetry();
  const limits = resolveLimits(options.limits);
  const store = options.store ?? createStore({ clock, rng });
  const boundary = createBoundary((error) => {
    telemetry.logger.error({ err: error }, "a callback failed; its stream or connection was ended");
  });
  const { receiveMaxBytes } = limits;
  const calls = createOpenCalls(
    clock,
    telemetry,
    boundary,
    { ...transport, receiveMaxBytes },
    bounds.held,
    security.authenticator,
    rng,
  );
  const { register } = calls;
  const streams = createStreamRegistry(transport, bounds, boundary, calls.memory.turns);
  const observation = {
    subscribers: () => bounds.subscribers.taken,
    connections: () => bounds.connections.taken,
    heldBytes: () => bounds.held.exactBytes(),
  };
  const busyPoll = createBusyPoll({ maxMs: transport.busyPollMaxMs, clock, boundary });
  const refusals = new RefusalCounts();
  const deps = { limits, telemetry, boundary, clock };
  const services = createServices({
    ...deps,
    store,
    streams,
    busyPoll,
    shedder: calls.overload,
    refusals,
    observation,
    watchers: bounds.watchers,
    startedMs,
    serverVersion: VERSION,
    workers: place.workers,
    facts: options.facts ?? NO_FACTS,
    inquiry: (place.inquiryOf ?? askOne)(
      reportOf({ worker: place.worker, calls, streams, telemetry, clock }),
    ),
  });
  const server = createGrpcServer(register, limits, transport, services.all.flat());
  for (const methods of services.all) addMethods(server, methods, deps);
  const floods = createFrameFloods();
  const connections = createConnections(server, {
    ...deps,
    floods,
    acceleration: options.acceleration ?? "on",
    methods: services.frequent,
    register,
    transport,
    rng,
    tls: security.tls?.value,
    throughput: calls.throughput,
    quota: bounds.connections,
    sharesPort,
  });
  let drainCuts = 0;
  return {
    store,
    streams,
    calls,
    connections,
    observe() {
      const stops = [
        ...(alone ? [maintainStore(store, clock, telemetry.logger)] : []),
        ...(alone ? [telemetry.observeProcess(store, observation)] : []),
        telemetry.observeThread({
          subscriberLagEvents: () => slowestLagEvents(streams),
          busyPollMicros: () => busyPoll.spentMicros,
          containedFaults: () => boundary.faults,
          memoryRefusals: () => calls.memory.refusals,
          memoryCollections: () => calls.memoryReturn.collections,
          shedOperations: () => calls.overload.counts,
          deferredCalls: () => calls.memory.turns.deferrals,
          refusedConnections: () => connections.refused,
          drainCuts: () => drainCuts,
          queueOverflows: () => streams.overflows,
          refusedOperations: () => refusals.counts,
          frameFloods: () => floods.counts,
          securityFilesRefused: () => security.filesRefused,
          authenticationFailures: () => security.authenticator?.failures ?? {},
          denials: () => security.denials,
          quotaRefusals: () => security.limited,
          tls: observeTls(security, connections),
        }),
        security.watch(
          { clock, boundary, logger: telemetry.logger },
          {
            replaceTls: (tls) => connections.replaceTls(tls),
            checkStreams: () => endDeniedStreams(streams),
          },
        ),
      ];
      return () => {
        for (const stop of stops) stop();
      };
    },
    cut(open) {
      drainCuts += open;
      if (open > 0)
        telemetry.logger.warn({ connections: open }, "the drain took too long; connections were cut");
    },
    forceShutdown: () => server.forceShutdown(),
  };
}

function observeTls({ tls }: Security, { handshakes }: Connections): TlsObservation | undefined {
  if (tls === undefined || handshakes === undefined) return undefined;
  return {
    handshakes: () => handshakes,
    certificateExpiryS: () => tls.value.expiresAtMs / 1_000,
  };
}

/** The place of a server that has its process to itself. */
function standAlone(limits: TransportLimits, clock: Clock): ServerPlace {
  return {
    bounds: createProcessBounds(limits),
    startedMs: clock.nowMs(),
    sharesPort: false,
    alone: true,
    worker: 0,
    workers: 1,
  };
}

/** One server: puts its store, services and transport together, and starts, drains and stops them. */
import { type Clock, systemClock } from "../common/clock.ts";
import { fieldInvalid } from "../common/errors.ts";
import {
  DEFAULT_ADDRESS,
  type HostPort,
  LISTEN_ADDRESS_FORM,
  parseListenAddress,
  toHostPort,
} from "../common/host-port.ts";
import {
  checkExposure,
  openSecurity,
  type Security,
  type SecurityMemory,
  type SecurityOptions,
} from "../security/security.ts";
import type { Backend } from "../store/api/backend.ts";
import type { Store } from "../store/api/store.ts";
import type { TlsObservation } from "../telemetry/telemetry.ts";
import type { Acceleration } from "./connections/accelerator.ts";
import type { Http1Listener } from "./connections/http1-listener.ts";
import { type Connections, createConnections } from "./connections/listener.ts";
import { addMethods } from "./grpc-js/adapters.ts";
import { createGrpcServer } from "./grpc-js/server.ts";
import { asHttpPortError, createHttpPort, type HttpPortOptions } from "./http-port.ts";
import { createFrameFloods } from "./limits/frame-guard.ts";
import { createProcessBounds } from "./limits/quotas.ts";
import { resolveTransportLimits, type TransportLimits } from "./limits/transport-limits.ts";
import { maintainStore } from "./maintenance.ts";
import {
  createServiceHost,
  type HostOptions,
  type HostPlace,
  type OperatorView,
  type ServiceHost,
} from "./service-host.ts";
import { type DrainDeps, drainServer, waitUpTo } from "./shutdown.ts";
import { endDeniedStreams, slowestLagEvents } from "./streams/stream-registry.ts";

/** The calls of connections that are closed end in turns. */
const CALLS_END_MAX_MS = 1_000;

export interface ServerOptions extends HostOptions {
  /** "HOST:PORT", an IPv6 host in brackets; port 0 picks a free one. Default "127.0.0.1:50051". */
  readonly listen?: string;
  /** Bounds of connections, calls and queues. */
  readonly transport?: Partial<TransportLimits>;
  /**
   * Whether connections are served by the server's own HTTP/2, and frequent calls without grpc-js. Off, node:http2 and grpc-js
   * serve everything: answers are the same, and each call costs several times as much. Default "on".
   */
  readonly acceleration?: Acceleration;
  /** Where it serves the same over HTTP/1.1, with JSON too. Default: nowhere. */
  readonly http?: HttpPortOptions;
  /** Whom the server lets in. Default: everybody, without TLS, and on loopback alone. */
  readonly security?: SecurityOptions;
}

export interface CacheServer {
  /** "HOST:PORT" as bound. Throws before the start. */
  readonly address: string;
  /** The same of the HTTP port. Undefined: it has none. Throws before the start. */
  readonly httpAddress: string | undefined;
  /** Its embedded store. Throws when its entries are elsewhere. */
  readonly store: Store;
  /** Where its entries are. */
  readonly backend: Backend;
  /** What the admin port needs of it to answer operators. */
  readonly operators: OperatorView;
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
export interface ServerPlace extends HostPlace {
  /** What they share of security. Default: it has that for itself. */
  readonly securityMemory?: SecurityMemory;
  /** The others listen on the same port. */
  readonly sharesPort: boolean;
  /** The server has the process to itself: it maintains the store, and observes what the process has once. */
  readonly alone: boolean;
}

/** Throws a RangeError that names the limit out of its range, or FIELD_INVALID for `listen` and for what is in `security`. */
export function createCacheServer(options: ServerOptions, place?: ServerPlace): CacheServer {
  const transport = resolveTransportLimits(options.transport);
  const clock = options.clock ?? systemClock;
  const listen = parseListenAddress(options.listen ?? DEFAULT_ADDRESS);
  if (listen === undefined) throw fieldInvalid("listen", LISTEN_ADDRESS_FORM);
  const stand = place ?? standAlone(transport, clock);
  const security = openSecurity(options.security, listen.host, stand.securityMemory, clock);
  const parts = assemble(options, transport, stand, security);
  const { host, connections, http, observe, cut, forceShutdown } = parts;
  const { store, streams, calls } = host;

  let address: string | undefined;
  let httpAddress: string | undefined;
  let stopObserving = (): void => {};
  let drained: Promise<void> | undefined;
  let closed: Promise<void> | undefined;

  const end = async () => {
    connections.destroy();
    http?.listener.destroy();
    await Promise.all([connections.emptied(), http?.listener.emptied()]);
    await waitUpTo(clock, CALLS_END_MAX_MS, calls.emptied());
    calls.close();
    forceShutdown();
    stopObserving();
  };
  const close = () => {
    closed ??= end();
    return closed;
  };

  return {
    get store() {
      if (store.remote) throw new Error("the server has no embedded store");
      return store;
    },
    backend: store,
    operators: host.operators,
    get address() {
      if (address === undefined) throw new Error("the server has not started");
      return address;
    },
    get httpAddress() {
      if (address === undefined) throw new Error("the server has not started");
      return httpAddress;
    },
    async start() {
      address = toHostPort(listen.host, await connections.listen(listen.host, listen.port));
      if (http !== undefined) httpAddress = await listenFor(http, close);
      stopObserving = observe();
      return address;
    },
    drain() {
      const maxMs = transport.drainMaxMs;
      drained ??= drainServer({
        clock,
        calls,
        streams,
        connections: both(connections, http?.listener),
        maxMs,
      }).then((open) => {
        cut(open);
        return close();
      });
      return drained;
    },
    close,
  };
}

interface ServerParts {
  readonly host: ServiceHost;
  readonly connections: Connections;
  readonly http: HttpPort | undefined;
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
  const { bounds, sharesPort, alone } = place;
  const host = createServiceHost(options, transport, place, security);
  const { store, calls, streams, busyPoll, refusals, services, telemetry, boundary, limits, clock, rng } =
    host;
  const { register } = calls;
  const deps = { limits, telemetry, boundary, clock };
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
    refusedClient: security.refusedClient,
  });
  const http = options.http && openHttpPort(options.http, host, options, place, security);
  let drainCuts = 0;
  return {
    host,
    connections,
    http,
    observe() {
      const stops = [
        ...(alone ? [maintainStore(store, clock, telemetry.logger)] : []),
        ...(alone ? [telemetry.observeProcess(store, host.observation)] : []),
        telemetry.observeThread({
          subscriberLagEvents: () => slowestLagEvents(streams),
          busyPollMicros: () => busyPoll.spentMicros,
          containedFaults: () => boundary.faults,
          memoryRefusals: () => calls.memory.refusals,
          memoryCollections: () => calls.collections,
          shedOperations: () => calls.overload.counts,
          deferredCalls: () => calls.memory.turns.deferrals,
          refusedConnections: () => connections.refused + (http?.listener.refused ?? 0),
          stalledConnections: () => calls.stalledConnections,
          drainCuts: () => drainCuts,
          queueOverflows: () => streams.overflows,
          refusedOperations: () => refusals.counts,
          frameFloods: () => floods.counts,
          securityFilesRefused: () => security.filesRefused,
          authenticationFailures: () => security.authenticator?.failures ?? {},
          denials: () => security.denials,
          quotaRefusals: () => security.limited,
          tls: observeTls(security, [connections.handshakes, http?.listener.handshakes]),
        }),
        security.watch(
          { clock, boundary, logger: telemetry.logger },
          {
            replaceTls(tls) {
              connections.replaceTls(tls);
              http?.listener.replaceTls(tls);
            },
            checkStreams() {
              calls.compareIdentities();
              endDeniedStreams(streams);
            },
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

async function listenFor(
  { listener, endpoint: { host, port } }: HttpPort,
  close: () => Promise<void>,
): Promise<string> {
  try {
    return toHostPort(host, await listener.listen(host, port));
  } catch (error) {
    await close();
    throw asHttpPortError(error);
  }
}

interface HttpPort {
  readonly listener: Http1Listener;
  readonly endpoint: HostPort;
}

/** Throws FIELD_INVALID for where it should listen. */
function openHttpPort(
  http: HttpPortOptions,
  host: ServiceHost,
  { security: options = {} }: ServerOptions,
  { bounds, sharesPort }: ServerPlace,
  security: Security,
): HttpPort {
  const endpoint = parseListenAddress(http.listen);
  if (endpoint === undefined) throw fieldInvalid("http.listen", LISTEN_ADDRESS_FORM);
  checkExposure(options, endpoint.host);
  const listener = createHttpPort(http, {
    host,
    tls: security.tls?.value,
    quota: bounds.connections,
    sharesPort,
    listenHost: endpoint.host,
    refusedClient: security.refusedClient,
  });
  return { listener, endpoint };
}

/** Both ports as one, for a drain. */
function both(connections: Connections, http: Http1Listener | undefined): DrainDeps["connections"] {
  if (http === undefined) return connections;
  return {
    get open() {
      return connections.open + http.open;
    },
    retire() {
      connections.retire();
      http.retire();
    },
    async emptied() {
      await Promise.all([connections.emptied(), http.emptied()]);
    },
  };
}

/** `ports`: the counts of each port that has TLS. */
function observeTls(
  { tls }: Security,
  ports: readonly (Readonly<Record<string, number>> | undefined)[],
): TlsObservation | undefined {
  if (tls === undefined) return undefined;
  return {
    handshakes: () => sumOf(ports.filter((counts) => counts !== undefined)),
    certificateExpiryS: () => tls.value.expiresAtMs / 1_000,
  };
}

function sumOf(all: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const [name, count] of all.flatMap(Object.entries<number>)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
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

/** One server: puts store, services and transport together, starts them, drains them and stops them. */
import { Server, type ServerCredentials } from "@grpc/grpc-js";
import { createBoundary } from "../common/boundary.ts";
import { type Clock, systemClock } from "../common/clock.ts";
import { type Rng, systemRng } from "../common/random.ts";
import { type Limits, resolveLimits } from "../rpc/limits.ts";
import type { Store } from "../store/api/store.ts";
import { createStore } from "../store/engine/create-store.ts";
import { createNoTelemetry } from "../telemetry/no-telemetry.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { createOpenCalls } from "./calls/registry.ts";
import type { Acceleration } from "./connections/accelerator.ts";
import { createConnections } from "./connections/listener.ts";
import { addMethods } from "./grpc-js/adapters.ts";
import { createInterceptor } from "./grpc-js/interceptor.ts";
import { createProcessBounds, type ProcessBounds } from "./limits/quotas.ts";
import { resolveTransportLimits, type TransportLimits } from "./limits/transport-limits.ts";
import { parseListenAddress } from "./listen-address.ts";
import { maintainStore } from "./maintenance.ts";
import { createServices } from "./services/services.ts";
import { drainServer } from "./shutdown.ts";
import { createBusyPoll } from "./streams/busy-poll.ts";
import { createStreamRegister, slowestLagEvents } from "./streams/stream-registry.ts";
import { packageVersion } from "./version.ts";

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
  /** Default: without TLS. */
  readonly credentials?: ServerCredentials;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Of the embedded store. Default: the system's. */
  readonly rng?: Rng;
}

export interface CacheServer {
  /** "HOST:PORT" as bound. Throws before the start. */
  readonly address: string;
  readonly store: Store;
  /** Resolves with the address once the server accepts connections; rejects when it cannot listen. */
  start(): Promise<string>;
  /**
   * Shuts down gently: health says NOT_SERVING, streams are told, and calls go on being served while clients
   * leave. Streams whose clients stay are ended with DRAINING after half of `transport.drainMaxMs`, so one of
   * them makes the drain last that long; what has not ended within all of it is cut. Calling it again gives
   * the same promise.
   */
  drain(): Promise<void>;
  /** Stops at once. */
  close(): Promise<void>;
}

/** Where a server stands among the servers of its process. */
export interface ServerPlace {
  /** What they share. */
  readonly bounds: ProcessBounds;
  /** When the process began to serve, by the server's clock. */
  readonly startedMs: number;
  /** The others listen on the same port. */
  readonly sharesPort: boolean;
  /** The server has the process to itself: it gives the store its time, and observes what the process has once. */
  readonly alone: boolean;
}

/** Throws a RangeError that names the limit out of its range, or FIELD_INVALID for `listen`. */
export function createCacheServer(options: ServerOptions, place?: ServerPlace): CacheServer {
  const clock = options.clock ?? systemClock;
  const telemetry = options.telemetry ?? createNoTelemetry();
  const limits = resolveLimits(options.limits);
  const transport = resolveTransportLimits(options.transport);
  const { host, port, join } = parseListenAddress(options.listen ?? "127.0.0.1:50051");
  const store = options.store ?? createStore({ clock, rng: options.rng ?? systemRng });

  const { bounds, startedMs, sharesPort, alone } = place ?? standAlone(transport, clock);

  const boundary = createBoundary((error) => {
    telemetry.logger.error({ err: error }, "a callback failed; its stream or connection was ended");
  });
  const streams = createStreamRegister(transport, bounds, boundary);
  const calls = createOpenCalls(clock, telemetry, boundary, {
    ...transport,
    receiveMaxBytes: limits.receiveMaxBytes,
  });
  const server = new Server({
    interceptors: [createInterceptor(calls.register)],
    "grpc.max_receive_message_length": limits.receiveMaxBytes,
    "grpc.max_send_message_length": limits.sendMaxBytes,
    "grpc.max_concurrent_streams": transport.connectionMaxStreams,
    "grpc.max_connection_idle_ms": transport.connectionIdleMs,
    "grpc.max_connection_age_ms": transport.connectionAgeMs,
    "grpc.max_connection_age_grace_ms": transport.connectionGraceMs,
    "grpc.keepalive_time_ms": transport.keepaliveTimeMs,
    "grpc.keepalive_timeout_ms": transport.keepaliveTimeoutMs,
    "grpc.enable_channelz": 0,
  });
  const observation = {
    subscribers: () => bounds.subscribers.taken,
    connections: () => bounds.connections.taken,
  };
  const busyPoll = createBusyPoll({ maxMs: transport.busyPollMaxMs, clock, boundary });
  const deps = { limits, telemetry, boundary };
  const services = createServices({
    ...deps,
    store,
    clock,
    streams,
    busyPoll,
    observation,
    watchers: bounds.watchers,
    startedMs,
    serverVersion: packageVersion(),
  });
  for (const methods of services.all) addMethods(server, methods, deps);
  const connections = createConnections(server, {
    ...deps,
    acceleration: options.acceleration ?? "on",
    methods: services.frequent,
    register: calls.register,
    transport,
    clock,
    rng: options.rng ?? systemRng,
    credentials: options.credentials,
    quota: bounds.connections,
    sharesPort,
  });

  let address: string | undefined;
  /** What ends with the server. */
  let stops: readonly (() => void)[] = [];
  let drained: Promise<void> | undefined;
  let closed: Promise<void> | undefined;

  const end = async () => {
    connections.destroy();
    await connections.emptied();
    calls.close();
    server.forceShutdown();
    for (const stop of stops) stop();
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
      address = join(await connections.listen(host, port));
      stops = [
        ...(alone ? [maintainStore(store, clock, telemetry.logger)] : []),
        ...(alone ? [telemetry.observeProcess(store, observation)] : []),
        telemetry.observeThread({
          subscriberLagEvents: () => slowestLagEvents(streams),
          busyPollMicros: () => busyPoll.spentMicros,
          containedFaults: () => boundary.faults,
        }),
      ];
      return address;
    },
    drain() {
      drained ??= drainServer({
        clock,
        calls,
        streams,
        connections,
        maxMs: transport.drainMaxMs,
      }).then(close);
      return drained;
    },
    close,
  };
}

/** Of a server that has its process to itself. */
function standAlone(limits: TransportLimits, clock: Clock): ServerPlace {
  return {
    bounds: createProcessBounds(limits),
    startedMs: clock.nowMs(),
    sharesPort: false,
    alone: true,
  };
}

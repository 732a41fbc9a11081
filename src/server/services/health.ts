/**
 * The handlers of grpc.health.v1, for the server as a whole and for each of its services. Other names are not kept: a
 * watcher of an unknown service is told so, and stays open.
 */
import { create, type DescMethod } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import {
  Health,
  type HealthCheckRequest,
  type HealthCheckResponse,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../../gen/grpc/health/v1/health_pb.ts";
import { encodeFrame } from "../../codec/messages.ts";
import { limitExceeded } from "../../common/errors.ts";
import { type Cancel, type HandlerDeps, immediate, StatusError, serverStream } from "../calls/handler.ts";
import type { StreamingCall } from "../calls/handler-call.ts";
import type { RequestBound, ServiceHandlers } from "../calls/methods.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import type { Quota } from "../limits/quotas.ts";
import type { DrainableStream, StreamRegistry } from "../streams/stream-registry.ts";

export interface HealthDeps extends HandlerDeps {
  readonly streams: StreamRegistry;
  /** Open watches of the process. */
  readonly watchers: Quota;
  /** Full names of the services. */
  readonly services: readonly string[];
}

/** Far more than the name of any service takes. */
const REQUEST_MAX_BYTES = 128 * 1024;
const UNKNOWN_SERVICE = new StatusError(status.NOT_FOUND, "unknown service");

/** A request that is too large names no service of ours: nothing of it is read. */
export function healthBoundOf(method: DescMethod): RequestBound {
  return { maxBytes: REQUEST_MAX_BYTES, ...(method === Health.method.check && { refusal: UNKNOWN_SERVICE }) };
}

/** Every service is SERVING until the drain begins, and NOT_SERVING from then on. */
export function createHealthHandlers(deps: HealthDeps): ServiceHandlers<typeof Health> {
  // "" stands for the server as a whole.
  const known: ReadonlySet<string> = new Set(["", ...deps.services]);
  const watches = new Watches(deps.watchers, deps.streams.limits.connectionsMax);
  const current = () => {
    const status = deps.streams.draining ? ServingStatus.NOT_SERVING : ServingStatus.SERVING;
    return create(HealthCheckResponseSchema, { status });
  };
  return {
    check: immediate(({ service }) => {
      if (!known.has(service)) throw UNKNOWN_SERVICE;
      return current();
    }),
    list: immediate(() =>
      create(HealthListResponseSchema, {
        statuses: Object.fromEntries(Array.from(known, (service) => [service, current()])),
      }),
    ),
    watch: serverStream((call, request) => {
      return openWatch(call, deps.streams, watches, known.has(takeService(request)) ? current : undefined);
    }),
  };
}

/** Takes the name out of the request, which grpc-js keeps for as long as the call is open. */
function takeService(request: HealthCheckRequest): string {
  const { service } = request;
  request.service = "";
  return service;
}

const UNKNOWN = create(HealthCheckResponseSchema, { status: ServingStatus.SERVICE_UNKNOWN });

/**
 * The open watches of the process, as one thread counts them. They need no identity: beyond half of what there may be, each
 * connection has one, so that no connection takes the last ones from others.
 */
class Watches {
  readonly #ofAll: Quota;
  readonly #max: number;
  readonly #ofConnections = new WeakMap<ConnectionMemory, number>();

  constructor(ofAll: Quota, max: number) {
    this.#ofAll = ofAll;
    this.#max = max;
  }

  /** Throws LIMIT_EXCEEDED. Returns what is to be called at its end. */
  open(connection: ConnectionMemory): () => void {
    const own = this.#ofConnections.get(connection) ?? 0;
    const max = own === 0 ? this.#max : Math.ceil(this.#max / 2);
    if (this.#ofAll.taken >= max || !this.#ofAll.take()) throw limitExceeded("watchers", String(max));
    this.#ofConnections.set(connection, own + 1);
    return () => {
      this.#ofAll.give();
      this.#ofConnections.set(connection, (this.#ofConnections.get(connection) ?? 1) - 1);
    };
  }
}

/** `current`: the status of a known service. It changes once, so at most two frames wait for a slow peer. */
function openWatch(
  call: StreamingCall,
  streams: StreamRegistry,
  watches: Watches,
  current: (() => HealthCheckResponse) | undefined,
): Cancel {
  const close = watches.open(call.connectionMemory);
  const tell = (response: HealthCheckResponse) => {
    if (call.open) call.send(encodeFrame(HealthCheckResponseSchema, response), () => {});
  };
  const watcher: DrainableStream = {
    drain() {
      if (current !== undefined) tell(current());
    },
    end: (error) => call.end(error),
  };
  streams.open.add(watcher);
  tell(current?.() ?? UNKNOWN);
  return () => {
    streams.open.delete(watcher);
    close();
  };
}

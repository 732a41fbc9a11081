/** The handlers of CacheService: each checks, delegates to the store and answers. */
import {
  CacheService,
  type ExchangeRequest,
  type GetRequest,
  type InvalidateRequest,
  type LeaseResponse,
  type SetRequest,
  type StreamRequest,
  type TouchRequest,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import type { ServiceHandlers } from "../../codec/messages.ts";
import type { Clock } from "../../common/clock.ts";
import {
  type OperationContext,
  type OperationOutcome,
  runGet,
  runInvalidate,
  runLease,
  runSet,
  runTouch,
} from "../../rpc/operations.ts";
import type { Store } from "../../store/api/store.ts";
import type { CallContext, HandlerDeps, OpenBidi, OpenServerStream } from "../calls/handler.ts";
import { type DirectMethods, directBidi, directServerStream, directUnary } from "../fast/router.ts";
import { bidi, serverStream } from "../grpc-js/adapters.ts";
import { immediate, unary } from "../grpc-js/unary-handlers.ts";
import { runBatch } from "../operations/batch.ts";
import { describeOutcome, describeRequest } from "../operations/span-attributes.ts";
import type { BusyPoll } from "../streams/busy-poll.ts";
import { openStream } from "../streams/event-stream.ts";
import { openExchange } from "../streams/exchange.ts";
import type { StreamRegister } from "../streams/stream-registry.ts";

export interface CacheServiceDeps extends HandlerDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly streams: StreamRegister;
  readonly busyPoll: BusyPoll;
}

export interface CacheHandlers {
  /** Of every method, for grpc-js. */
  readonly service: ServiceHandlers<typeof CacheService>;
  /** Of the methods that need not pass grpc-js's layers. */
  readonly direct: DirectMethods;
}

export function createCacheHandlers(deps: CacheServiceDeps): CacheHandlers {
  const { store, limits } = deps;
  const { method } = CacheService;
  const operation = ({ writer }: CallContext): OperationContext => ({
    store,
    limits,
    writer,
    defaultNamespace: "",
    valueArena: undefined,
  });
  const describe = (context: CallContext, namespace: string, outcome: OperationOutcome) => {
    if (context.span.sampled) context.span.set({ namespace, ...describeOutcome(outcome) });
  };
  const get = (request: GetRequest, context: CallContext) => {
    const value = runGet(request, operation(context));
    describe(context, request.namespace, { case: "get", value });
    return value;
  };
  const set = (request: SetRequest, context: CallContext) => {
    const value = runSet(request, operation(context));
    describe(context, request.namespace, { case: "set", value });
    if (context.span.sampled) context.span.set(describeRequest({ case: "set", value: request }));
    return value;
  };
  const invalidate = (request: InvalidateRequest, context: CallContext) => {
    const value = runInvalidate(request, operation(context));
    describe(context, request.namespace, { case: "invalidate", value });
    return value;
  };
  const touch = (request: TouchRequest, context: CallContext) => {
    const value = runTouch(request, operation(context));
    describe(context, request.namespace, { case: "touch", value });
    return value;
  };
  const stream: OpenServerStream<StreamRequest> = (call, request) => openStream(call, request, deps);
  const exchange: OpenBidi<ExchangeRequest> = (call, context) => openExchange(call, context, deps);
  const service: ServiceHandlers<typeof CacheService> = {
    get: immediate(deps, get),
    set: immediate(deps, set),
    invalidate: immediate(deps, invalidate),
    touch: immediate(deps, touch),
    lease: unary(deps, (request, context, reply) => {
      const wait = runLease(request, operation(context), (value: LeaseResponse) => {
        describe(context, request.namespace, { case: "lease", value });
        reply(value);
      });
      return wait && (() => wait.cancel());
    }),
    batch: unary(deps, (request, context, reply) => {
      context.span.set({ operations: request.operations.length });
      return runBatch(request, context, deps, reply);
    }),
    stream: serverStream(deps, stream),
    exchange: bidi(deps, exchange),
  };
  const direct: DirectMethods = {
    unary: [
      directUnary(deps, method.get, get),
      directUnary(deps, method.set, set),
      directUnary(deps, method.invalidate, invalidate),
      directUnary(deps, method.touch, touch),
    ],
    streaming: [directServerStream(deps, method.stream, stream), directBidi(deps, method.exchange, exchange)],
  };
  return { service, direct };
}

/** The handlers of CacheService: each checks, delegates to the store and answers. */
import {
  CacheService,
  type GetRequest,
  type InvalidateRequest,
  type LeaseResponse,
  type SetRequest,
  type TouchRequest,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { Clock } from "../clock.ts";
import type { Store } from "../store/store.ts";
import {
  type OperationContext,
  type OperationOutcome,
  runGet,
  runInvalidate,
  runLease,
  runSet,
  runTouch,
} from "../wire/operations.ts";
import type { ServiceHandlers } from "../wire/service.ts";
import { runBatch } from "./batch.ts";
import type { DirectMethod } from "./direct-call.ts";
import { directMethod } from "./direct-calls.ts";
import { openExchange } from "./exchange.ts";
import { bidi, type CallContext, type HandlerDeps, immediate, serverStream, unary } from "./handlers.ts";
import { describeOutcome, describeRequest } from "./outcome.ts";
import { openStream } from "./stream.ts";
import type { StreamRegister } from "./stream-register.ts";

export interface CacheServiceDeps extends HandlerDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly streams: StreamRegister;
}

export interface CacheHandlers {
  /** Of every method, for grpc-js. */
  readonly service: ServiceHandlers<typeof CacheService>;
  /** Of the methods that are answered as soon as their request is whole. */
  readonly direct: readonly DirectMethod[];
}

export function createCacheHandlers(deps: CacheServiceDeps): CacheHandlers {
  const { store, limits } = deps;
  const { method } = CacheService;
  const operation = ({ writer }: CallContext): OperationContext => ({
    store,
    limits,
    writer,
    defaultNamespace: "",
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
    stream: serverStream(deps, (call) => openStream(call, deps)),
    exchange: bidi(deps, (call, context) => openExchange(call, context, deps)),
  };
  const direct = [
    directMethod(deps, method.get, get),
    directMethod(deps, method.set, set),
    directMethod(deps, method.invalidate, invalidate),
    directMethod(deps, method.touch, touch),
  ];
  return { service, direct };
}

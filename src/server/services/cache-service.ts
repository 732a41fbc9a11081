/** The handlers of CacheService. Each one runs its operation against the store and answers. */
import type { CacheService, LeaseResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { PooledValues } from "../../codec/framing/pooled-values.ts";
import type { Clock } from "../../common/clock.ts";
import type { LoadShedder, OperationContext, OperationOutcome } from "../../rpc/admission.ts";
import {
  runGet,
  runIncrement,
  runInvalidate,
  runLease,
  runListKeys,
  runSet,
  runTouch,
} from "../../rpc/operations.ts";
import type { Backend } from "../../store/api/backend.ts";
import type { Store } from "../../store/api/store.ts";
import type { ValueMemory } from "../../store/api/value-arena.ts";
import {
  bidi,
  type CallContext,
  type HandlerDeps,
  immediate,
  serverStream,
  unary,
} from "../calls/handler.ts";
import type { ServiceHandlers } from "../calls/methods.ts";
import type { RefusalCounts } from "../limits/refusal-counts.ts";
import { runBatch } from "../operations/batch.ts";
import { workBytesOf } from "../operations/batch-size.ts";
import { ConnectionHolders } from "../operations/connection-holders.ts";
import { outcomeAttributes, requestAttributes } from "../operations/span-attributes.ts";
import type { BusyPoll } from "../streams/busy-poll.ts";
import { openStream } from "../streams/event-stream.ts";
import { openExchange } from "../streams/exchange.ts";
import type { StreamRegistry } from "../streams/stream-registry.ts";
import { LeaseAnswer } from "./lease-answer.ts";
import { createRemoteHandlers, type OperationParts } from "./remote-handlers.ts";

export interface CacheServiceDeps extends HandlerDeps {
  readonly store: Backend;
  readonly clock: Clock;
  readonly streams: StreamRegistry;
  readonly busyPoll: BusyPoll;
  readonly shedder: LoadShedder;
  readonly refusals: RefusalCounts;
}

export function createCacheHandlers(deps: CacheServiceDeps): ServiceHandlers<typeof CacheService> {
  const { store, limits, boundary, shedder } = deps;
  const holders = new ConnectionHolders(store);
  const encodedAtOnce = { ...deps, doneEncodes: true };
  const operation = (
    { writer, access, memory }: CallContext,
    valueArena?: ValueMemory,
    leaseHolder = 0,
  ): OperationContext => ({
    access,
    store,
    limits,
    writer,
    defaultNamespace: "",
    valueArena,
    shedder,
    connection: memory,
    leaseHolder,
    boundary,
  });
  // What fails here concerns the span alone, and not the answer.
  const describe = boundary.guard(
    undefined,
    (context: CallContext, namespace: string, outcome: OperationOutcome) => {
      if (context.span.sampled) context.span.set({ namespace, ...outcomeAttributes(outcome) });
    },
  );
  const ofOperations =
    store.remote === undefined
      ? createLocalHandlers(store, { operation, describe, holders })
      : createRemoteHandlers(store, {
          contextOf: (context) => operation(context, undefined, holders.of(context.memory)),
          describe,
        });
  return {
    ...ofOperations,
    batch: unary((request, context, settle) => {
      context.span.set({ operations: request.operations.length });
      const { span, clientId, memory, access, encodesAtOnce } = context;
      const caller = { span, clientId, memory, access, leaseHolder: holders.of(memory) };
      return runBatch(request, caller, encodesAtOnce ? encodedAtOnce : deps, settle);
    }),
    stream: serverStream((call, request, context) => openStream(call, request, context, deps)),
    exchange: bidi((call, context) => openExchange(call, context, deps)),
  };
}

interface LocalParts extends Pick<OperationParts, "describe"> {
  operation(context: CallContext, valueArena?: ValueMemory, leaseHolder?: number): OperationContext;
  readonly holders: ConnectionHolders;
}

function createLocalHandlers(
  store: Store,
  { operation, describe, holders }: LocalParts,
): ReturnType<typeof createRemoteHandlers> {
  const pool = new PooledValues();
  const valuesOf = (context: CallContext) => (context.encodesAtOnce ? pool : undefined);
  return {
    get: unary((request, context, settle) => {
      try {
        const value = runGet(request, store, operation(context, valuesOf(context)));
        describe(context, request.namespace, { case: "get", value });
        settle(value);
      } finally {
        pool.release();
      }
      return undefined;
    }),
    set: immediate((request, context) => {
      const value = runSet(request, store, operation(context));
      describe(context, request.namespace, { case: "set", value });
      if (context.span.sampled) context.span.set(requestAttributes({ case: "set", value: request }));
      return value;
    }),
    invalidate: immediate((request, context) => {
      context.memory.turns.spend(workBytesOf({ case: "invalidate", value: request }));
      const value = runInvalidate(request, store, operation(context));
      describe(context, request.namespace, { case: "invalidate", value });
      return value;
    }),
    touch: immediate((request, context) => {
      const value = runTouch(request, store, operation(context));
      describe(context, request.namespace, { case: "touch", value });
      return value;
    }),
    increment: immediate((request, context) => {
      const value = runIncrement(request, store, operation(context));
      describe(context, request.namespace, { case: "increment", value });
      return value;
    }),
    lease: unary((request, context, settle) => {
      const { memory } = context;
      const describeLease = (value: LeaseResponse): void =>
        describe(context, request.namespace, { case: "lease", value });
      const answer = new LeaseAnswer(memory, describeLease, settle);
      try {
        const parts = operation(context, valuesOf(context), holders.of(memory));
        const wait = runLease(request, store, parts, (outcome) => answer.decided(outcome));
        answer.isLate = true;
        return wait;
      } finally {
        pool.release();
      }
    }),
    listKeys: immediate((request, context) => {
      context.memory.turns.spend(workBytesOf({ case: "listKeys", value: request }));
      const value = runListKeys(request, store, operation(context));
      describe(context, request.namespace, { case: "listKeys", value });
      return value;
    }),
  };
}

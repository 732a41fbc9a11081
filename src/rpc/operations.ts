/**
 * Runs requests against a store: checks the request, calls the store, makes the response. Unary calls, Batch and
 * Exchange share this path.
 */
import type {
  GetRequest,
  GetResponse,
  IncrementRequest,
  IncrementResponse,
  InvalidateRequest,
  InvalidateResponse,
  LeaseRequest,
  LeaseResponse,
  ListKeysRequest,
  ListKeysResponse,
  Operation,
  SetRequest,
  SetResponse,
  TouchRequest,
  TouchResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../common/errors.ts";
import type { Pending } from "../store/api/backend.ts";
import type { LeaseResult, Store } from "../store/api/store.ts";
import {
  admitGet,
  admitIncrement,
  admitInvalidate,
  admitLease,
  admitListKeys,
  admitSet,
  admitTouch,
  noOperation,
  noteClear,
  noteFill,
  type OperationContext,
  type OperationOutcome,
} from "./admission.ts";
import { StoredGetResponse } from "./get.ts";
import { StoredIncrementResponse } from "./increment.ts";
import { toInvalidateResponse } from "./invalidate.ts";
import { toLeaseResponse, toReleaseResponse } from "./lease.ts";
import { toListKeysResponse } from "./list-keys.ts";
import { getBytes, leaseBytes, listedBytes } from "./metered-bytes.ts";
import { PermittedWait } from "./permitted-wait.ts";
import { startOperation } from "./remote-operations.ts";
import { toSetResponse } from "./set.ts";
import { toTouchResponse } from "./touch.ts";

export function runGet(request: GetRequest, store: Store, context: OperationContext): GetResponse {
  const command = admitGet(request, context);
  const result = store.get(command, context.valueArena);
  context.access?.meter?.spend(getBytes(command, result));
  return new StoredGetResponse(result, store.epoch);
}

export function runSet(request: SetRequest, store: Store, context: OperationContext): SetResponse {
  const result = store.set(admitSet(request, context));
  noteFill(result, context);
  return toSetResponse(result, store.epoch);
}

export function runInvalidate(
  request: InvalidateRequest,
  store: Store,
  context: OperationContext,
): InvalidateResponse {
  const command = admitInvalidate(request, context);
  const result = store.invalidate(command);
  noteClear(command, context);
  return toInvalidateResponse(result, store.epoch);
}

export function runTouch(request: TouchRequest, store: Store, context: OperationContext): TouchResponse {
  return toTouchResponse(store.touch(admitTouch(request, context)), store.epoch);
}

export function runListKeys(
  request: ListKeysRequest,
  store: Store,
  context: OperationContext,
): ListKeysResponse {
  const command = admitListKeys(request, context);
  const result = store.listKeys(command);
  context.access?.meter?.spend(listedBytes(result));
  return toListKeysResponse(result, command, store);
}

export function runIncrement(
  request: IncrementRequest,
  store: Store,
  context: OperationContext,
): IncrementResponse {
  return new StoredIncrementResponse(store.increment(admitIncrement(request, context)), store.epoch);
}

/**
 * Calls `settle` exactly once. If it returns undefined, it has called it. If it returns a wait, which can be
 * cancelled, the call comes later, from within the store call that decides the lease: with INTERNAL when the response
 * cannot be made. What `settle` throws then is contained.
 */
export function runLease(
  request: LeaseRequest,
  store: Store,
  context: OperationContext,
  settle: (outcome: LeaseResponse | CacheError) => void,
): Pending | undefined {
  const { command, meter } = admitLease(request, context);
  if (request.releaseToken !== 0n) {
    const released = store.release(command.namespace, command.key, request.releaseToken);
    settle(toReleaseResponse(released, store.epoch));
    return undefined;
  }
  const permitted = new PermittedWait();
  const settleLate = context.boundary.guard(undefined, (late: LeaseResult) => {
    permitted.ended();
    meter?.spend(leaseBytes(late));
    settle(toLate(late, store.epoch));
  });
  const result = store.lease(command, settleLate, context.valueArena);
  if (result.kind === "waiting") return permitted.guard(result, command, context, settle);
  meter?.spend(leaseBytes(result));
  settle(toLeaseResponse(result, store.epoch));
  return undefined;
}

function toLate(result: LeaseResult, epoch: bigint): LeaseResponse | CacheError {
  try {
    return toLeaseResponse(result, epoch);
  } catch (cause) {
    return new CacheError("INTERNAL", "internal error", {}, { cause });
  }
}

/** Runs any operation, and settles as `runLease`. Throws the errors of its checks and of the store. */
export function runOperation(
  operation: Operation,
  context: OperationContext,
  settle: (outcome: OperationOutcome | CacheError) => void,
): Pending | undefined {
  const { store } = context;
  if (store.remote !== undefined) return startOperation(operation.operation, store, context, settle);
  return runAtOnce(operation, store, context, settle);
}

function runAtOnce(
  { operation }: Operation,
  store: Store,
  context: OperationContext,
  settle: (outcome: OperationOutcome | CacheError) => void,
): Pending | undefined {
  switch (operation.case) {
    case "get":
      settle({ case: "get", value: runGet(operation.value, store, context) });
      return undefined;
    case "set":
      settle({ case: "set", value: runSet(operation.value, store, context) });
      return undefined;
    case "invalidate":
      settle({ case: "invalidate", value: runInvalidate(operation.value, store, context) });
      return undefined;
    case "touch":
      settle({ case: "touch", value: runTouch(operation.value, store, context) });
      return undefined;
    case "increment":
      settle({ case: "increment", value: runIncrement(operation.value, store, context) });
      return undefined;
    case "listKeys":
      settle({ case: "listKeys", value: runListKeys(operation.value, store, context) });
      return undefined;
    case "lease":
      return runLease(operation.value, store, context, (value) =>
        settle(value instanceof CacheError ? value : { case: "lease", value }),
      );
    case undefined:
      throw noOperation();
    default:
      return operation satisfies never;
  }
}

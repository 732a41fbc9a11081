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
  OperationResult,
  SetRequest,
  SetResponse,
  TouchRequest,
  TouchResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { Boundary } from "../common/boundary.ts";
import { CacheError, fieldInvalid } from "../common/errors.ts";
import { type Access, NEEDS, requireAccess, requireRoom } from "../security/access/access.ts";
import type { Meter } from "../security/access/meter.ts";
import type { LeaseResult, LeaseWait, SetCommand, Store, Writer } from "../store/api/store.ts";
import type { ValueMemory } from "../store/api/value-arena.ts";
import { fromGetRequest, StoredGetResponse } from "./get.ts";
import { fromIncrementRequest, toIncrementResponse } from "./increment.ts";
import { fromInvalidateRequest, toInvalidateResponse } from "./invalidate.ts";
import { fromLeaseRequest, toLeaseResponse, toReleaseResponse } from "./lease.ts";
import type { Limits } from "./limits.ts";
import { fromListKeysRequest, toListKeysResponse } from "./list-keys.ts";
import { invalidateBytes, leaseBytes, listedBytes, setBytes } from "./metered-bytes.ts";
import { fromSetRequest, toSetResponse } from "./set.ts";
import { fromTouchRequest, toTouchResponse } from "./touch.ts";

/** Kinds of operations that an overloaded server may refuse. */
export type ShedKind = "get" | "set";

export interface LoadShedder {
  /** Undefined: the operation may run. Otherwise what it ends with. */
  refusalOf(kind: ShedKind, connection: object): CacheError | undefined;
}

/** What an operation needs besides its request. */
export interface OperationContext {
  readonly store: Store;
  readonly limits: Limits;
  readonly writer: Writer;
  /** What the caller may do. Undefined: everything. */
  readonly access: Access | undefined;
  /** The namespace of requests that name none. Empty: such a request is refused. */
  readonly defaultNamespace: string;
  /** Where the values of Gets may lie, for a caller that keeps no result after the arena is cleared. */
  readonly valueArena: ValueMemory | undefined;
  /** Undefined: nothing is refused for load. */
  readonly shedder: LoadShedder | undefined;
  /** The connection of the caller, as the shedder knows it. Undefined: nothing is refused for load. */
  readonly connection: object | undefined;
  /** The id of the holder of the leases that are granted. */
  readonly leaseHolder: number;
  /** Contains what fails when a wait is settled, inside another caller's store call. */
  readonly boundary: Boundary;
}

/** A successful result. */
export type OperationOutcome = Exclude<OperationResult["result"], { case: "error" } | { case: undefined }>;

function shed(kind: ShedKind, { shedder, connection }: OperationContext): void {
  const refusal = connection && shedder?.refusalOf(kind, connection);
  if (refusal !== undefined) throw refusal;
}

export function runGet(request: GetRequest, context: OperationContext): GetResponse {
  shed("get", context);
  const meter = requireRoom(context.access);
  const command = fromGetRequest(request, context.limits, context.defaultNamespace);
  requireAccess(context.access, command.namespace, NEEDS.get);
  const result = context.store.get(command, context.valueArena);
  meter?.spend(command.key.length + (result.kind === "hit" ? result.entry.value.length : 0));
  return new StoredGetResponse(result, context.store.epoch);
}

export function runSet(request: SetRequest, context: OperationContext): SetResponse {
  meterSet(request, context);
  const command = fromSetRequest(request, context.limits, context.writer, context.defaultNamespace);
  requireAccess(context.access, command.namespace, needsOfSet(command));
  return toSetResponse(context.store.set(command), context.store.epoch);
}

export function runInvalidate(request: InvalidateRequest, context: OperationContext): InvalidateResponse {
  context.access?.meter?.count(invalidateBytes(request));
  const command = fromInvalidateRequest(request, context.limits, context.writer, context.defaultNamespace);
  const needed = command.target.kind === "all" ? NEEDS.invalidateAll : NEEDS.invalidate;
  requireAccess(context.access, command.namespace, needed);
  const result = context.store.invalidate(command);
  if (command.target.kind === "all") context.access?.cleared(command.namespace);
  return toInvalidateResponse(result, context.store.epoch);
}

export function runTouch(request: TouchRequest, context: OperationContext): TouchResponse {
  context.access?.meter?.count(request.key.length);
  const command = fromTouchRequest(request, context.limits, context.writer, context.defaultNamespace);
  requireAccess(context.access, command.namespace, NEEDS.touch);
  return toTouchResponse(context.store.touch(command), context.store.epoch);
}

/** Refused for load and for quotas as a Get is. */
export function runListKeys(request: ListKeysRequest, context: OperationContext): ListKeysResponse {
  shed("get", context);
  const { store, limits, defaultNamespace } = context;
  const meter = requireRoom(context.access);
  const command = fromListKeysRequest(request, store, limits, defaultNamespace);
  requireAccess(context.access, command.namespace, NEEDS.listKeys);
  const result = store.listKeys(command);
  meter?.spend(listedBytes(result));
  return toListKeysResponse(result, command, store);
}

/** Refused for load and for quotas as a Set without a lease is. */
export function runIncrement(request: IncrementRequest, context: OperationContext): IncrementResponse {
  shed("set", context);
  requireRoom(context.access)?.spend(request.key.length);
  const command = fromIncrementRequest(request, context.limits, context.writer, context.defaultNamespace);
  requireAccess(context.access, command.namespace, NEEDS.increment);
  return toIncrementResponse(context.store.increment(command), context.store.epoch);
}

/** The fill of a lease is not refused: the load that it keeps has been made, and the lease was counted. */
function meterSet(request: SetRequest, context: OperationContext): void {
  if (request.condition.case === "leaseToken") {
    context.access?.meter?.count(setBytes(request));
    return;
  }
  shed("set", context);
  requireRoom(context.access)?.spend(setBytes(request));
}

/** A condition's outcome tells of the entry that is there, and so does a refused source version. */
function needsOfSet({ condition, sourceVersion }: SetCommand): number {
  return condition.kind === "always" && sourceVersion === 0n ? NEEDS.set : NEEDS.setConditionally;
}

/**
 * Calls `settle` exactly once. If it returns undefined, it has called it. If it returns a wait, which can be
 * cancelled, the call comes later, from within the store call that decides the lease: with INTERNAL when the response
 * cannot be made. What `settle` throws then is contained.
 */
export function runLease(
  request: LeaseRequest,
  context: OperationContext,
  settle: (outcome: LeaseResponse | CacheError) => void,
): LeaseWait | undefined {
  const { store, limits, defaultNamespace, leaseHolder, boundary } = context;
  const meter = meterLease(request, context);
  const command = fromLeaseRequest(request, limits, defaultNamespace, leaseHolder);
  requireAccess(context.access, command.namespace, NEEDS.lease);
  if (request.releaseToken !== 0n) {
    const released = store.release(command.namespace, command.key, request.releaseToken);
    settle(toReleaseResponse(released, store.epoch));
    return undefined;
  }
  const settleLate = boundary.guard(undefined, (late: LeaseResult) => {
    meter?.spend(leaseBytes(late));
    settle(toLate(late, store.epoch));
  });
  const result = store.lease(command, settleLate, context.valueArena);
  if (result.kind === "waiting") return result;
  meter?.spend(leaseBytes(result));
  settle(toLeaseResponse(result, store.epoch));
  return undefined;
}

/** To give a lease back is not refused: others wait for it. */
function meterLease({ key, releaseToken }: LeaseRequest, { access }: OperationContext): Meter | undefined {
  if (releaseToken === 0n) {
    const meter = requireRoom(access);
    meter?.spend(key.length);
    return meter;
  }
  access?.meter?.count(key.length);
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
  { operation }: Operation,
  context: OperationContext,
  settle: (outcome: OperationOutcome | CacheError) => void,
): LeaseWait | undefined {
  switch (operation.case) {
    case "get":
      settle({ case: "get", value: runGet(operation.value, context) });
      return undefined;
    case "set":
      settle({ case: "set", value: runSet(operation.value, context) });
      return undefined;
    case "invalidate":
      settle({ case: "invalidate", value: runInvalidate(operation.value, context) });
      return undefined;
    case "touch":
      settle({ case: "touch", value: runTouch(operation.value, context) });
      return undefined;
    case "increment":
      settle({ case: "increment", value: runIncrement(operation.value, context) });
      return undefined;
    case "listKeys":
      settle({ case: "listKeys", value: runListKeys(operation.value, context) });
      return undefined;
    case "lease":
      return runLease(operation.value, context, (value) =>
        settle(value instanceof CacheError ? value : { case: "lease", value }),
      );
    case undefined:
      throw fieldInvalid("operation", "one of get, set, invalidate, touch, lease, increment and list_keys");
    default:
      return operation satisfies never;
  }
}

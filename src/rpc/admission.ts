/**
 * What comes before every operation, wherever it runs: it may be refused for load, for quotas, for a field or for want of a
 * permission. Otherwise it is the command for the store, and counted.
 */
import type {
  GetRequest,
  IncrementRequest,
  InvalidateRequest,
  LeaseRequest,
  ListKeysRequest,
  OperationResult,
  SetRequest,
  TouchRequest,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { Boundary } from "../common/boundary.ts";
import { type CacheError, fieldInvalid } from "../common/errors.ts";
import { type Access, NEEDS, requireAccess, requireRoom } from "../security/access/access.ts";
import type { Meter } from "../security/access/meter.ts";
import type { Backend } from "../store/api/backend.ts";
import type {
  GetCommand,
  IncrementCommand,
  InvalidateCommand,
  LeaseCommand,
  ListKeysCommand,
  SetCommand,
  SetResult,
  TouchCommand,
  Writer,
} from "../store/api/store.ts";
import type { ValueMemory } from "../store/api/value-arena.ts";
import { fromGetRequest } from "./get.ts";
import { fromIncrementRequest } from "./increment.ts";
import { fromInvalidateRequest } from "./invalidate.ts";
import { fromLeaseRequest } from "./lease.ts";
import type { Limits } from "./limits.ts";
import { fromListKeysRequest } from "./list-keys.ts";
import { invalidateBytes, setBytes } from "./metered-bytes.ts";
import { fromSetRequest } from "./set.ts";
import { fromTouchRequest } from "./touch.ts";

/** Kinds of operations that an overloaded server may refuse. */
export type ShedKind = "get" | "set";

export interface LoadShedder {
  /** Undefined: the operation may run. Otherwise what it ends with. */
  refusalOf(kind: ShedKind, connection: object): CacheError | undefined;
}

/** What an operation needs besides its request. */
export interface OperationContext {
  readonly store: Backend;
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

export function admitGet(request: GetRequest, context: OperationContext): GetCommand {
  shed("get", context);
  requireRoom(context.access);
  const command = fromGetRequest(request, context.limits, context.defaultNamespace);
  requireAccess(context.access, command.namespace, NEEDS.get);
  return command;
}

export function admitSet(request: SetRequest, context: OperationContext): SetCommand {
  meterSet(request, context);
  const command = fromSetRequest(request, context.limits, context.writer, context.defaultNamespace);
  requireAccess(context.access, command.namespace, needsOfSet(command));
  return command;
}

export function admitInvalidate(request: InvalidateRequest, context: OperationContext): InvalidateCommand {
  context.access?.meter?.count(invalidateBytes(request));
  const command = fromInvalidateRequest(request, context.limits, context.writer, context.defaultNamespace);
  const needed = command.target.kind === "all" ? NEEDS.invalidateAll : NEEDS.invalidate;
  requireAccess(context.access, command.namespace, needed);
  return command;
}

export function admitTouch(request: TouchRequest, context: OperationContext): TouchCommand {
  context.access?.meter?.count(request.key.length);
  const command = fromTouchRequest(request, context.limits, context.writer, context.defaultNamespace);
  requireAccess(context.access, command.namespace, NEEDS.touch);
  return command;
}

/** Refused for load and for quotas as a Get is. */
export function admitListKeys(request: ListKeysRequest, context: OperationContext): ListKeysCommand {
  shed("get", context);
  requireRoom(context.access);
  const command = fromListKeysRequest(request, context.store, context.limits, context.defaultNamespace);
  requireAccess(context.access, command.namespace, NEEDS.listKeys);
  return command;
}

/** Refused for load and for quotas as a Set without a lease is. */
export function admitIncrement(request: IncrementRequest, context: OperationContext): IncrementCommand {
  shed("set", context);
  requireRoom(context.access)?.spend(request.key.length);
  const command = fromIncrementRequest(request, context.limits, context.writer, context.defaultNamespace);
  requireAccess(context.access, command.namespace, NEEDS.increment);
  return command;
}

export interface AdmittedLease {
  readonly command: LeaseCommand;
  /** Counts the bytes of the answer. */
  readonly meter: Meter | undefined;
}

export function admitLease(request: LeaseRequest, context: OperationContext): AdmittedLease {
  const { limits, defaultNamespace, leaseHolder } = context;
  const meter = meterLease(request, context);
  const command = fromLeaseRequest(request, limits, defaultNamespace, leaseHolder);
  requireAccess(context.access, command.namespace, NEEDS.lease);
  return { command, meter };
}

function shed(kind: ShedKind, { shedder, connection }: OperationContext): void {
  const refusal = connection && shedder?.refusalOf(kind, connection);
  if (refusal !== undefined) throw refusal;
}

/**
 * The fill of a lease is not refused: the load that it keeps has been made, and the lease was counted. Unless the caller has made too
 * many Sets by leases that there are not.
 */
function meterSet(request: SetRequest, context: OperationContext): void {
  if (request.condition.case === "leaseToken") {
    const meter = context.access?.meter;
    const refusal = meter?.admitFill();
    if (refusal !== undefined) throw refusal;
    meter?.count(setBytes(request));
    return;
  }
  shed("set", context);
  requireRoom(context.access)?.spend(setBytes(request));
}

/** A condition's outcome tells of the entry that is there, and so does a refused source version. */
function needsOfSet({ condition, sourceVersion }: SetCommand): number {
  return condition.kind === "always" && sourceVersion === 0n ? NEEDS.set : NEEDS.setConditionally;
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

/** A Set by a lease that is not there is told from the fill of one. */
export function noteFill(result: SetResult, { access }: OperationContext): void {
  if (result.kind === "notStored" && result.reason === "leaseLost") access?.meter?.filledInVain();
}

/** Whoever looks after the server is told of a namespace that was cleared. */
export function noteClear({ target, namespace }: InvalidateCommand, { access }: OperationContext): void {
  if (target.kind === "all") access?.acted("cleared", namespace);
}

export function noOperation(): CacheError {
  return fieldInvalid("operation", "one of get, set, invalidate, touch, lease, increment and list_keys");
}

/** Runs requests against a store that answers later: the checks and the responses are those of `operations.ts`. */
import type { LeaseRequest, Operation } from "../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../common/errors.ts";
import type { Pending, ReleaseResult, RemoteStore, Settle } from "../store/api/backend.ts";
import type { LeaseResult } from "../store/api/store.ts";
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
import { toSetResponse } from "./set.ts";
import { toTouchResponse } from "./touch.ts";

type SettleOutcome = (outcome: OperationOutcome | CacheError) => void;

/**
 * Calls `settle` exactly once, later, unless it is cancelled. Throws the errors of the checks. What `settle` throws is
 * contained.
 */
export function startOperation(
  operation: Operation["operation"],
  store: RemoteStore,
  context: OperationContext,
  settle: SettleOutcome,
): Pending {
  const { meter } = context.access ?? {};
  const answer = <Result>(respond: (result: Result, epoch: bigint) => OperationOutcome): Settle<Result> =>
    context.boundary.guard(undefined, (result: Result | Error) => {
      settle(result instanceof Error ? toFailure(result) : toAnswer(() => respond(result, store.epoch)));
    });
  switch (operation.case) {
    case "get": {
      const command = admitGet(operation.value, context);
      return store.get(
        command,
        answer((result, epoch) => {
          meter?.spend(getBytes(command, result));
          return { case: "get", value: new StoredGetResponse(result, epoch) };
        }),
        context.writer.traceparent,
      );
    }
    case "set":
      return store.set(
        admitSet(operation.value, context),
        answer((result, epoch) => {
          noteFill(result, context);
          return { case: "set", value: toSetResponse(result, epoch) };
        }),
      );
    case "invalidate": {
      const command = admitInvalidate(operation.value, context);
      return store.invalidate(
        command,
        answer((result, epoch) => {
          noteClear(command, context);
          return { case: "invalidate", value: toInvalidateResponse(result, epoch) };
        }),
      );
    }
    case "touch":
      return store.touch(
        admitTouch(operation.value, context),
        answer((result, epoch) => ({ case: "touch", value: toTouchResponse(result, epoch) })),
      );
    case "increment":
      return store.increment(
        admitIncrement(operation.value, context),
        answer((result, epoch) => ({ case: "increment", value: new StoredIncrementResponse(result, epoch) })),
      );
    case "listKeys": {
      const command = admitListKeys(operation.value, context);
      return store.listKeys(
        command,
        answer((result) => {
          meter?.spend(listedBytes(result));
          return { case: "listKeys", value: toListKeysResponse(result, command, store) };
        }),
      );
    }
    case "lease":
      return startLease(operation.value, store, context, answer, settle);
    case undefined:
      throw noOperation();
    default:
      return operation satisfies never;
  }
}

function startLease(
  request: LeaseRequest,
  store: RemoteStore,
  context: OperationContext,
  answer: <Result>(respond: (result: Result, epoch: bigint) => OperationOutcome) => Settle<Result>,
  settle: SettleOutcome,
): Pending {
  const { command, meter } = admitLease(request, context);
  if (request.releaseToken !== 0n) {
    const settled = answer<ReleaseResult>((result, epoch) => ({
      case: "lease",
      value: toReleaseResponse(result, epoch),
    }));
    return store.release(command.namespace, command.key, request.releaseToken, settled);
  }
  const permitted = new PermittedWait();
  const answered = answer<LeaseResult>((result, epoch) => {
    meter?.spend(leaseBytes(result));
    return { case: "lease", value: toLeaseResponse(result, epoch) };
  });
  const wait = store.lease(
    command,
    (result) => {
      permitted.ended();
      answered(result);
    },
    context.writer.traceparent,
  );
  return permitted.guard(wait, command, context, settle);
}

/** Whoever made the result may have made one that no response can hold. */
function toAnswer(respond: () => OperationOutcome): OperationOutcome | CacheError {
  try {
    return respond();
  } catch (error) {
    return toFailure(error);
  }
}

export function toFailure(cause: unknown): CacheError {
  return cause instanceof CacheError ? cause : new CacheError("INTERNAL", "internal error", {}, { cause });
}

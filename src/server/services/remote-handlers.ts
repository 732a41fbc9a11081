/** The unary handlers of CacheService on a store that answers later. */
import type { CacheService } from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../../common/errors.ts";
import type { OperationContext, OperationOutcome } from "../../rpc/admission.ts";
import { startOperation } from "../../rpc/remote-operations.ts";
import type { RemoteStore } from "../../store/api/backend.ts";
import { type CallContext, type Settle, unary } from "../calls/handler.ts";
import type { ServiceHandlers } from "../calls/methods.ts";
import { OPERATION_WORK_BYTES } from "../limits/work.ts";
import { workBytesOf } from "../operations/batch-size.ts";
import { requestAttributes } from "../operations/span-attributes.ts";

type Case = OperationOutcome["case"];
type Answers = { [Outcome in OperationOutcome as Outcome["case"]]: Outcome["value"] };

/** What the handlers of both kinds of store share. */
export interface OperationParts {
  contextOf(call: CallContext): OperationContext;
  describe(call: CallContext, namespace: string, outcome: OperationOutcome): void;
}

export function createRemoteHandlers(
  store: RemoteStore,
  { contextOf, describe }: OperationParts,
): Pick<ServiceHandlers<typeof CacheService>, Case> {
  const start = (
    operation: Parameters<typeof startOperation>[0] & { case: Case },
    call: CallContext,
    settle: (outcome: OperationOutcome | CacheError) => void,
  ) => {
    const { memory } = call;
    memory.turns.spend(workBytesOf(operation));
    return startOperation(operation, store, contextOf(call), (outcome) => {
      // The engine answers many calls at once.
      memory.turns.runOrWait(memory, () => {
        memory.turns.spend(OPERATION_WORK_BYTES);
        if (!(outcome instanceof CacheError)) {
          describe(call, operation.value.namespace, outcome);
          if (call.span.sampled) call.span.set(requestAttributes(operation));
        }
        settle(outcome);
      });
    });
  };
  const handle =
    <Name extends Case>(name: Name, settle: Settle<Answers[Name]>) =>
    (outcome: OperationOutcome | CacheError): void => {
      if (outcome instanceof CacheError) settle(outcome);
      else if (outcome.case === name) settle(outcome.value as Answers[Name]);
      else settle(new CacheError("INTERNAL", "internal error"));
    };
  return {
    get: unary((value, call, settle) => start({ case: "get", value }, call, handle("get", settle))),
    set: unary((value, call, settle) => start({ case: "set", value }, call, handle("set", settle))),
    invalidate: unary((value, call, settle) =>
      start({ case: "invalidate", value }, call, handle("invalidate", settle)),
    ),
    touch: unary((value, call, settle) => start({ case: "touch", value }, call, handle("touch", settle))),
    increment: unary((value, call, settle) =>
      start({ case: "increment", value }, call, handle("increment", settle)),
    ),
    lease: unary((value, call, settle) => start({ case: "lease", value }, call, handle("lease", settle))),
    listKeys: unary((value, call, settle) =>
      start({ case: "listKeys", value }, call, handle("listKeys", settle)),
    ),
  };
}

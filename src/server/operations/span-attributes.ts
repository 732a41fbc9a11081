/** The span attributes of an operation: its outcome, its shard and the size of its value. Never a key, a value or a token. */
import type { Hit, Operation, Stamp } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { OperationOutcome } from "../../rpc/admission.ts";
import type { OperationAttributes } from "../../telemetry/telemetry.ts";

export function outcomeAttributes(result: OperationOutcome): OperationAttributes {
  switch (result.case) {
    case "get":
    case "lease": {
      const { outcome, asOf } = result.value;
      switch (outcome.case) {
        case "hit":
          return describe(asOf, outcome.value.stale ? "stale_hit" : "hit", outcome.value);
        case "granted":
        case "held":
          return describe(asOf, outcome.case, outcome.value.stale);
        case "miss":
        case "released":
          return describe(asOf, outcome.case);
        case "notModified":
          return describe(asOf, "not_modified");
        case undefined:
          return {};
        default:
          return outcome satisfies never;
      }
    }
    case "set":
      return describe(result.value.asOf, result.value.outcome.case === "stored" ? "stored" : "not_stored");
    case "touch":
      return describe(result.value.asOf, result.value.touched ? "touched" : "miss");
    case "increment": {
      const { asOf, outcome } = result.value;
      return describe(asOf, outcome.case === "incremented" ? "incremented" : "not_incremented");
    }
    case "listKeys":
      return { outcome: "listed" };
    case "invalidate":
      return { outcome: "invalidated" };
    default:
      return result satisfies never;
  }
}

/** The size of the value of a Set, whether it is stored or not. No attributes for other operations. */
export function requestAttributes(request: Operation["operation"]): OperationAttributes {
  return request.case === "set" ? { valueBytes: request.value.value.length } : {};
}

function describe(asOf: Stamp | undefined, outcome: string, hit?: Hit): OperationAttributes {
  return {
    outcome,
    ...(asOf !== undefined && { shard: asOf.shard }),
    ...(hit !== undefined && { valueBytes: hit.value.length }),
  };
}

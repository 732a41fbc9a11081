/** The conditions that Set and Increment have in common. */
import type { IncrementRequest, SetRequest } from "../../gen/meshcache/v1/cache_pb.ts";
import { fieldInvalid } from "../common/errors.ts";
import type { IncrementCondition } from "../store/api/store.ts";
import { fromUint64 } from "./validate.ts";

const ALWAYS: IncrementCondition = { kind: "always" };
const IF_ABSENT: IncrementCondition = { kind: "ifAbsent" };
const IF_PRESENT: IncrementCondition = { kind: "ifPresent" };

/** `ifEpoch`: the epoch in which `if_version` was read. Throws FIELD_INVALID. */
export function fromEntryCondition(
  condition: IncrementRequest["condition"],
  ifEpoch: bigint,
): IncrementCondition {
  switch (condition.case) {
    case undefined:
      return ALWAYS;
    case "ifAbsent":
      if (!condition.value) throw fieldInvalid("if_absent", "true or not given");
      return IF_ABSENT;
    case "ifPresent":
      if (!condition.value) throw fieldInvalid("if_present", "true or not given");
      return IF_PRESENT;
    case "ifVersion":
      if (condition.value === 0n) throw fieldInvalid("if_version", "at least 1");
      return { kind: "ifVersion", version: fromUint64(condition.value, "if_version"), epoch: ifEpoch };
    default:
      return condition satisfies never;
  }
}

/** Of a retry, the epoch in which it was sent first. 0n: it is none, or its condition has an epoch. */
export function fromFirstEpoch({ condition, ifEpoch }: IncrementRequest | SetRequest): bigint {
  return condition.case === "ifVersion" ? 0n : ifEpoch;
}

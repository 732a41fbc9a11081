/** Lease: request to command, result to response. */
import { create } from "@bufbuild/protobuf";
import {
  LeaseGrantedSchema,
  LeaseHeldSchema,
  LeaseReleasedSchema,
  type LeaseRequest,
  type LeaseResponse,
  LeaseResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { fieldInvalid } from "../common/errors.ts";
import type { LeaseCommand, LeaseResult, Stamp } from "../store/api/store.ts";
import { toHit, toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import { checkKey, checkNamespace } from "./validate.ts";

/** `holder`: the id of the holder that asks. */
export function fromLeaseRequest(
  request: LeaseRequest,
  limits: Limits,
  defaultNamespace = "",
  holder = 0,
): LeaseCommand {
  if (request.waitMs > limits.leaseWaitMaxMs) {
    throw fieldInvalid("wait_ms", `at most ${limits.leaseWaitMaxMs}`);
  }
  if (request.leaseMs > limits.leaseMaxMs) throw fieldInvalid("lease_ms", `at most ${limits.leaseMaxMs}`);
  return {
    namespace: checkNamespace(request.namespace, defaultNamespace, limits),
    key: checkKey(request.key, limits),
    waitMs: request.waitMs,
    leaseMs: request.leaseMs === 0 ? limits.leaseDefaultMs : request.leaseMs,
    holder,
  };
}

export function toLeaseResponse(result: LeaseResult, epoch: bigint): LeaseResponse {
  return create(LeaseResponseSchema, { asOf: toStamp(epoch, result.asOf), outcome: toOutcome(result) });
}

export function toReleaseResponse(
  result: { readonly asOf: Stamp; readonly released: boolean },
  epoch: bigint,
): LeaseResponse {
  return create(LeaseResponseSchema, {
    asOf: toStamp(epoch, result.asOf),
    outcome: { case: "released", value: create(LeaseReleasedSchema, { released: result.released }) },
  });
}

/** When to ask again for a value that there was no memory to send: the entry is there already. */
const NO_MEMORY_RETRY_MS = 100n;

/** The response without a value: a hit becomes `held`, so that the caller asks again. */
export function withoutValue(response: LeaseResponse): LeaseResponse {
  const { asOf, outcome } = response;
  switch (outcome.case) {
    case "hit":
      return create(LeaseResponseSchema, {
        asOf,
        outcome: { case: "held", value: create(LeaseHeldSchema, { retryAfterMs: NO_MEMORY_RETRY_MS }) },
      });
    case "granted":
    case "held":
      outcome.value.stale = undefined;
      return response;
    default:
      return response;
  }
}

function toOutcome(result: LeaseResult): LeaseResponse["outcome"] {
  switch (result.kind) {
    case "hit":
      return { case: "hit", value: toHit(result.entry) };
    case "granted": {
      const granted = create(LeaseGrantedSchema, { token: result.token, leaseMs: BigInt(result.leaseMs) });
      if (result.stale !== undefined) granted.stale = toHit(result.stale);
      return { case: "granted", value: granted };
    }
    case "held": {
      const held = create(LeaseHeldSchema, { retryAfterMs: BigInt(result.retryAfterMs) });
      if (result.stale !== undefined) held.stale = toHit(result.stale);
      return { case: "held", value: held };
    }
    default:
      return result satisfies never;
  }
}

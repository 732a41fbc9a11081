/** Lease: request to command, result to response. */
import type { Hit, LeaseRequest, LeaseResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import {
  Case,
  LeaseGrantedMessage,
  LeaseHeldMessage,
  LeaseReleasedMessage,
  LeaseResponseMessage,
} from "../codec/fast/messages.ts";
import { fieldInvalid } from "../common/errors.ts";
import type { EntryView, LeaseCommand, LeaseResult, Stamp } from "../store/api/store.ts";
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
  return new LeaseResponseMessage(toOutcome(result), toStamp(epoch, result.asOf));
}

export function toReleaseResponse(
  result: { readonly asOf: Stamp; readonly released: boolean },
  epoch: bigint,
): LeaseResponse {
  const released = new LeaseReleasedMessage(result.released);
  return new LeaseResponseMessage(new Case("released", released), toStamp(epoch, result.asOf));
}

/** When to ask again for a value that there was no memory to send: the entry is there already. */
const NO_MEMORY_RETRY_MS = 100n;

/** The response without a value: a hit becomes `held`, so that the caller asks again. */
export function withoutValue(response: LeaseResponse): LeaseResponse {
  const { asOf, outcome } = response;
  switch (outcome.case) {
    case "hit":
      return new LeaseResponseMessage(
        new Case("held", new LeaseHeldMessage(NO_MEMORY_RETRY_MS, undefined)),
        asOf,
      );
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
      return new Case("hit", toHit(result.entry));
    case "granted":
      return new Case(
        "granted",
        new LeaseGrantedMessage(result.token, BigInt(result.leaseMs), staleOf(result)),
      );
    case "held":
      return new Case("held", new LeaseHeldMessage(BigInt(result.retryAfterMs), staleOf(result)));
    default:
      return result satisfies never;
  }
}

function staleOf({ stale }: { readonly stale?: EntryView | undefined }): Hit | undefined {
  return stale && toHit(stale);
}

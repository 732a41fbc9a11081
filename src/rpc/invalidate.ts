/** Invalidate: request to command, result to response. */
import {
  type InvalidateRequest,
  InvalidateRequest_Mode,
  type InvalidateResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { InvalidateResponseMessage } from "../codec/fast/messages.ts";
import { fieldInvalid } from "../common/errors.ts";
import type { InvalidateCommand, InvalidateResult, InvalidateTarget, Writer } from "../store/api/store.ts";
import { toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import { checkKey, checkNamespace, checkTags } from "./validate.ts";

export function fromInvalidateRequest(
  request: InvalidateRequest,
  limits: Limits,
  writer: Writer,
  defaultNamespace = "",
): InvalidateCommand {
  const namespace = checkNamespace(request.namespace, defaultNamespace, limits);
  const target = fromTarget(request, limits);
  const soft = isSoft(request.mode);
  if (request.sourceVersion !== 0n && (soft || target.kind !== "keys")) {
    throw fieldInvalid("source_version", "0 unless keys are invalidated HARD");
  }
  return { namespace, target, soft, sourceVersion: request.sourceVersion, writer };
}

function isSoft(mode: InvalidateRequest_Mode): boolean {
  switch (mode) {
    case InvalidateRequest_Mode.UNSPECIFIED:
    case InvalidateRequest_Mode.HARD:
      return false;
    case InvalidateRequest_Mode.SOFT:
      return true;
    default:
      throw fieldInvalid("mode", "MODE_HARD or MODE_SOFT");
  }
}

function fromTarget({ target }: InvalidateRequest, limits: Limits): InvalidateTarget {
  switch (target.case) {
    case "keys": {
      const { keys } = target.value;
      if (keys.length === 0 || keys.length > limits.invalidateMaxKeys) {
        throw fieldInvalid("keys", `1 to ${limits.invalidateMaxKeys} keys`);
      }
      for (const key of keys) checkKey(key, limits, "keys");
      return { kind: "keys", keys };
    }
    case "tags":
      return { kind: "tags", tags: checkTags(target.value.tags, 1, limits.invalidateMaxTags, limits) };
    case "prefix":
      return { kind: "prefix", prefix: checkKey(target.value, limits, "prefix") };
    case "all":
      if (!target.value) throw fieldInvalid("all", "true or not given");
      return { kind: "all" };
    case undefined:
      throw fieldInvalid("target", "one of keys, tags, prefix and all");
    default:
      return target satisfies never;
  }
}

export function toInvalidateResponse(result: InvalidateResult, epoch: bigint): InvalidateResponse {
  const stamps = result.stamps.map((stamp) => toStamp(epoch, stamp));
  return new InvalidateResponseMessage(stamps, BigInt(result.removed));
}

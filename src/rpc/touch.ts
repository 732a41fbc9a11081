/** Touch: request to command, result to response. */
import type { TouchRequest, TouchResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import { TouchResponseMessage } from "../codec/fast/messages.ts";
import type { TouchCommand, TouchResult, Writer } from "../store/api/store.ts";
import { toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import { checkKey, checkNamespace, fromLifetimes } from "./validate.ts";

export function fromTouchRequest(
  request: TouchRequest,
  limits: Limits,
  writer: Writer,
  defaultNamespace = "",
): TouchCommand {
  const namespace = checkNamespace(request.namespace, defaultNamespace, limits);
  const key = checkKey(request.key, limits);
  const { ttlMs, staleMs } = fromLifetimes(request, limits);
  return {
    namespace,
    key,
    ttlMs,
    staleMs,
    writer,
  };
}

export function toTouchResponse(result: TouchResult, epoch: bigint): TouchResponse {
  return new TouchResponseMessage(result.touched, toStamp(epoch, result.asOf));
}

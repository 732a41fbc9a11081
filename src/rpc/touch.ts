/** Touch: request to command, result to response. */
import { create } from "@bufbuild/protobuf";
import {
  type TouchRequest,
  type TouchResponse,
  TouchResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
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
  return create(TouchResponseSchema, { asOf: toStamp(epoch, result.asOf), touched: result.touched });
}

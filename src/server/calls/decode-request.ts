/** Decodes a request within the bounds of its fields, whether grpc-js or the accelerator serves its call. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { hasMoreFields } from "../../codec/field-count.ts";
import { decodeMessage } from "../../codec/messages.ts";
import { type CacheError, fieldInvalid, limitExceeded } from "../../common/errors.ts";
import type { Limits } from "../../rpc/limits.ts";
import { requestMaxFields } from "../../rpc/request-bounds.ts";

/** Throws FIELD_INVALID for bytes that are no such message, LIMIT_EXCEEDED for one of too many fields. */
export function decodeRequest<Input extends DescMessage>(
  schema: Input,
  bytes: Uint8Array,
  limits: Limits,
): MessageShape<Input> {
  const refusal = refusalOf(schema, bytes, limits);
  if (refusal !== undefined) throw refusal;
  try {
    return decodeMessage(schema, bytes);
  } catch {
    throw undecodable();
  }
}

/** Undefined: the bytes may be decoded. */
export function refusalOf(schema: DescMessage, bytes: Uint8Array, limits: Limits): CacheError | undefined {
  const maxFields = requestMaxFields(limits);
  return hasMoreFields(schema, bytes, maxFields)
    ? limitExceeded("request_fields", String(maxFields))
    : undefined;
}

export function undecodable(): CacheError {
  return fieldInvalid("message", "one that its method takes");
}

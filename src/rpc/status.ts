/**
 * Converts errors: CacheError to the status of a gRPC call and to google.rpc.Status, and back.
 *
 * Of an error only the reason, the message and the detail of a CacheError leave the process. Any other error is sent
 * as "internal error"; its cause is for the log.
 */
import { Buffer } from "node:buffer";
import { create, fromBinary } from "@bufbuild/protobuf";
import { anyPack, anyUnpack, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import type { ServiceError } from "@grpc/grpc-js";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { CacheError, type CacheErrorReason } from "../common/errors.ts";
import { STATUS_CODE, type StatusCode } from "./status-codes.ts";

/** `ErrorInfo.domain` of every error of meshcache. */
export const ERROR_DOMAIN = "meshcache";
/** The trailer that holds a `google.rpc.Status`. */
export const DETAILS_HEADER = "grpc-status-details-bin";
const INTERNAL_MESSAGE = "internal error";

const CODE_OF_REASON: Record<CacheErrorReason, StatusCode> = {
  FIELD_INVALID: STATUS_CODE.INVALID_ARGUMENT,
  LIMIT_EXCEEDED: STATUS_CODE.RESOURCE_EXHAUSTED,
  UNAUTHENTICATED: STATUS_CODE.UNAUTHENTICATED,
  PERMISSION_DENIED: STATUS_CODE.PERMISSION_DENIED,
  DRAINING: STATUS_CODE.UNAVAILABLE,
  DEADLINE: STATUS_CODE.DEADLINE_EXCEEDED,
  UNAVAILABLE: STATUS_CODE.UNAVAILABLE,
  CANCELLED: STATUS_CODE.CANCELLED,
  CLOSED: STATUS_CODE.CANCELLED,
  CODEC: STATUS_CODE.INTERNAL,
  LOADER_TIMEOUT: STATUS_CODE.DEADLINE_EXCEEDED,
  INTERNAL: STATUS_CODE.INTERNAL,
};

/** The gRPC status code of an error. */
export function statusCodeOf(error: unknown): StatusCode {
  return error instanceof CacheError ? CODE_OF_REASON[error.reason] : STATUS_CODE.INTERNAL;
}

/** True for a fault of the program, which is logged and whose text is not sent. */
export function isFault(error: unknown): boolean {
  return statusCodeOf(error) === STATUS_CODE.INTERNAL;
}

/** The error as a result of a Batch or a frame of an Exchange. */
export function toStatus(error: unknown): Status {
  const known = error instanceof CacheError && !isFault(error);
  const info = create(ErrorInfoSchema, {
    domain: ERROR_DOMAIN,
    reason: known ? error.reason : "INTERNAL",
    metadata: known ? { ...error.detail } : {},
  });
  const details = [anyPack(ErrorInfoSchema, info)];
  if (known && error.retryAfterMs > 0) {
    const retryDelay = durationFromMs(error.retryAfterMs);
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  return create(StatusSchema, {
    code: statusCodeOf(error),
    message: known ? error.message : INTERNAL_MESSAGE,
    details,
  });
}

/** The error that a result of a Batch or a frame of an Exchange carried. */
export function fromStatus(message: Status, options?: ErrorOptions): CacheError {
  const retryAfterMs = retryAfterMsOf(message);
  for (const detail of message.details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info?.domain === ERROR_DOMAIN && isReason(info.reason)) {
      return new CacheError(info.reason, message.message, info.metadata, { ...options, retryAfterMs });
    }
  }
  return new CacheError(reasonOfCode(message.code), message.message, {}, { ...options, retryAfterMs });
}

/** 0: the status does not say. */
function retryAfterMsOf({ details }: Status): number {
  for (const detail of details) {
    const delay = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
    if (delay !== undefined) return Math.max(0, durationMs(delay));
  }
  return 0;
}

/** The error that a call of grpc-js ended with. */
export function fromServiceError(error: ServiceError): CacheError {
  const [bytes] = error.metadata?.get(DETAILS_HEADER) ?? [];
  const detailed = Buffer.isBuffer(bytes) ? fromDetails(bytes, { cause: error }) : undefined;
  if (detailed !== undefined) return detailed;
  const reason = isLostConnection(error) ? "UNAVAILABLE" : reasonOfCode(error.code);
  return new CacheError(reason, error.details, {}, { cause: error });
}

/** Undefined for a trailer that cannot be decoded, as of a foreign server: its plain status is used instead. */
function fromDetails(bytes: Uint8Array, options?: ErrorOptions): CacheError | undefined {
  try {
    return fromStatus(fromBinary(StatusSchema, bytes), options);
  } catch {
    return undefined;
  }
}

/** The error in the headers or trailers of a call over HTTP/2. Undefined: the call succeeded. */
export function fromHttp2Headers(headers: Readonly<Record<string, string>>): CacheError | undefined {
  const text = headers["grpc-status"];
  if (text === undefined) {
    const httpStatus = Number(headers[":status"] ?? "0");
    if (httpStatus === 0) return new CacheError("UNAVAILABLE", "the call ended without a status");
    return new CacheError(reasonOfHttp(httpStatus), `the server answered with HTTP status ${httpStatus}`);
  }
  const code = Number(text);
  if (code === STATUS_CODE.OK && text !== "") return undefined;
  const details = headers[DETAILS_HEADER];
  const detailed = details === undefined ? undefined : fromDetails(Buffer.from(details, "base64"));
  const message = percentDecoded(headers["grpc-message"] ?? "");
  return detailed ?? new CacheError(reasonOfCode(code), message);
}

/** For an answer without a gRPC status, by gRPC's mapping of HTTP statuses (http-grpc-status-mapping.md). */
function reasonOfHttp(httpStatus: number): CacheErrorReason {
  return [429, 502, 503, 504].includes(httpStatus) ? "UNAVAILABLE" : "INTERNAL";
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** grpc-js sometimes reports a connection that was lost during a call as INTERNAL, with these details. */
function isLostConnection({ code, details }: ServiceError): boolean {
  return code === STATUS_CODE.INTERNAL && details.startsWith("Received RST_STREAM with code 0 ");
}

function isReason(reason: string): reason is CacheErrorReason {
  return Object.hasOwn(CODE_OF_REASON, reason);
}

/** For a status without details of ours, as a proxy or grpc-js itself sends it. */
function reasonOfCode(code: number): CacheErrorReason {
  switch (code) {
    case STATUS_CODE.CANCELLED:
      return "CANCELLED";
    case STATUS_CODE.INVALID_ARGUMENT:
      return "FIELD_INVALID";
    case STATUS_CODE.DEADLINE_EXCEEDED:
      return "DEADLINE";
    case STATUS_CODE.RESOURCE_EXHAUSTED:
      return "LIMIT_EXCEEDED";
    case STATUS_CODE.UNAVAILABLE:
      return "UNAVAILABLE";
    default:
      return "INTERNAL";
  }
}

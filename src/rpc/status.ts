/**
 * Errors on the wire: CacheError to gRPC status and google.rpc.Status, and back.
 *
 * Nothing but the reason, the message and the detail of a CacheError leaves the process; anything else is
 * "internal error" to the outside, and its cause is for the log.
 */
import { Buffer } from "node:buffer";
import { create, fromBinary } from "@bufbuild/protobuf";
import { anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import type { ServiceError } from "@grpc/grpc-js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { CacheError, type CacheErrorReason } from "../common/errors.ts";
import { STATUS_CODE, type StatusCode } from "./status-codes.ts";

/** `ErrorInfo.domain` of every error that meshcache raises. */
export const ERROR_DOMAIN = "meshcache";
/** The trailer that holds a `google.rpc.Status`. */
export const DETAILS_HEADER = "grpc-status-details-bin";
const INTERNAL_MESSAGE = "internal error";

const CODE_OF_REASON: Record<CacheErrorReason, StatusCode> = {
  FIELD_INVALID: STATUS_CODE.INVALID_ARGUMENT,
  LIMIT_EXCEEDED: STATUS_CODE.RESOURCE_EXHAUSTED,
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

/** True for what the caller must not learn and the log must. */
export function isFault(error: unknown): boolean {
  return statusCodeOf(error) === STATUS_CODE.INTERNAL;
}

/** The error as a batch result or an exchange frame carries it. */
export function toStatus(error: unknown): Status {
  const known = error instanceof CacheError && !isFault(error);
  const info = create(ErrorInfoSchema, {
    domain: ERROR_DOMAIN,
    reason: known ? error.reason : "INTERNAL",
    metadata: known ? { ...error.detail } : {},
  });
  return create(StatusSchema, {
    code: statusCodeOf(error),
    message: known ? error.message : INTERNAL_MESSAGE,
    details: [anyPack(ErrorInfoSchema, info)],
  });
}

/** What a result or a frame carried, as the caller's error. */
export function fromStatus(message: Status, options?: ErrorOptions): CacheError {
  for (const detail of message.details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info?.domain === ERROR_DOMAIN && isReason(info.reason)) {
      return new CacheError(info.reason, message.message, info.metadata, options);
    }
  }
  return new CacheError(reasonOfCode(message.code), message.message, {}, options);
}

/** What a call ended with, as the caller's error. */
export function fromServiceError(error: ServiceError): CacheError {
  const [bytes] = error.metadata?.get(DETAILS_HEADER) ?? [];
  const detailed = Buffer.isBuffer(bytes) ? fromDetails(bytes, { cause: error }) : undefined;
  if (detailed !== undefined) return detailed;
  const reason = isCut(error) ? "UNAVAILABLE" : reasonOfCode(error.code);
  return new CacheError(reason, error.details, {}, { cause: error });
}

/** Another server's trailer may hold anything: then the plain status is still true. */
function fromDetails(bytes: Uint8Array, options?: ErrorOptions): CacheError | undefined {
  try {
    return fromStatus(fromBinary(StatusSchema, bytes), options);
  } catch {
    return undefined;
  }
}

/** What the headers or trailers of an HTTP/2 stream say of how its call ended. Undefined: it ended well. */
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

/** By gRPC's table of HTTP statuses that stand for a status of its own. */
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

/** What grpc-js calls INTERNAL when a connection goes away under a call, if it does not call it UNAVAILABLE. */
function isCut({ code, details }: ServiceError): boolean {
  return code === STATUS_CODE.INTERNAL && details.startsWith("Received RST_STREAM with code 0 ");
}

function isReason(reason: string): reason is CacheErrorReason {
  return Object.hasOwn(CODE_OF_REASON, reason);
}

/** For statuses that something between the two sides made. */
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

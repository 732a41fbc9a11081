/**
 * Errors on the wire: CacheError to gRPC status and google.rpc.Status, and back.
 *
 * Nothing but the reason, the message and the detail of a CacheError leaves the process; anything else is
 * "internal error" to the outside, and its cause is for the log.
 */
import { Buffer } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { ErrorInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type Status, StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { CacheError, type CacheErrorReason } from "../common/errors.ts";

/** `ErrorInfo.domain` of every error that meshcache raises. */
export const ERROR_DOMAIN = "meshcache";
const DETAILS_HEADER = "grpc-status-details-bin";
const INTERNAL_MESSAGE = "internal error";

const STATUS: Record<CacheErrorReason, status> = {
  FIELD_INVALID: status.INVALID_ARGUMENT,
  LIMIT_EXCEEDED: status.RESOURCE_EXHAUSTED,
  DRAINING: status.UNAVAILABLE,
  DEADLINE: status.DEADLINE_EXCEEDED,
  UNAVAILABLE: status.UNAVAILABLE,
  CANCELLED: status.CANCELLED,
  CLOSED: status.CANCELLED,
  CODEC: status.INTERNAL,
  LOADER_TIMEOUT: status.DEADLINE_EXCEEDED,
  INTERNAL: status.INTERNAL,
};

/** The gRPC status code of an error. */
export function statusCodeOf(error: unknown): status {
  return error instanceof CacheError ? STATUS[error.reason] : status.INTERNAL;
}

/** gRPC's name of a status code, as the conventions of telemetry want it. */
export function statusName(code: number): string {
  return status[code] ?? "UNKNOWN";
}

/** True for what the caller must not learn and the log must. */
export function isFault(error: unknown): boolean {
  return statusCodeOf(error) === status.INTERNAL;
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

/** The error as a call ends with it. */
export function toServiceError(error: unknown): { code: status; details: string; metadata: Metadata } {
  const message = toStatus(error);
  const metadata = new Metadata();
  metadata.set(DETAILS_HEADER, Buffer.from(toBinary(StatusSchema, message)));
  return { code: message.code, details: message.message, metadata };
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
  const reason = isLostConnection(error) ? "UNAVAILABLE" : reasonOfCode(error.code);
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
  if (code === status.OK && text !== "") return undefined;
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
function isLostConnection({ code, details }: ServiceError): boolean {
  return code === status.INTERNAL && details.startsWith("Received RST_STREAM with code 0 ");
}

function isReason(reason: string): reason is CacheErrorReason {
  return Object.hasOwn(STATUS, reason);
}

/** For statuses that something between the two sides made. */
function reasonOfCode(code: number): CacheErrorReason {
  switch (code) {
    case status.CANCELLED:
      return "CANCELLED";
    case status.INVALID_ARGUMENT:
      return "FIELD_INVALID";
    case status.DEADLINE_EXCEEDED:
      return "DEADLINE";
    case status.RESOURCE_EXHAUSTED:
      return "LIMIT_EXCEEDED";
    case status.UNAVAILABLE:
      return "UNAVAILABLE";
    default:
      return "INTERNAL";
  }
}

/** The attribute names that spans and metrics share: the stable RPC conventions (1.45) and those of meshcache. */
import type { Attributes, Span } from "@opentelemetry/api";
import {
  ATTR_ERROR_TYPE,
  ATTR_RPC_METHOD,
  ATTR_RPC_STATUS_CODE,
  ATTR_RPC_SYSTEM_NAME,
  RPC_SYSTEM_NAME_VALUE_GRPC,
} from "@opentelemetry/semantic-conventions";
import type { OperationAttributes } from "./telemetry.ts";

/** The instrumentation scope of all spans and metrics of the server. */
export const SCOPE = "meshcache";

/** The gRPC status codes by number. */
const STATUS_NAMES = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

/** The codes that the gRPC conventions call errors of the server. All others are errors of the caller, or none. */
const SERVER_FAULTS: ReadonlySet<string> = new Set([
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
]);

export function statusName(statusCode: number): string {
  return STATUS_NAMES[statusCode] ?? "UNKNOWN";
}

export function isServerFault(statusCode: number): boolean {
  return SERVER_FAULTS.has(statusName(statusCode));
}

/** The attributes that a span has at its start: a sampler sees only these. */
export function methodAttributes(method: string): Attributes {
  return { [ATTR_RPC_SYSTEM_NAME]: RPC_SYSTEM_NAME_VALUE_GRPC, [ATTR_RPC_METHOD]: method };
}

/** The attributes that the end of a call adds. */
export function statusAttributes(statusCode: number): Attributes {
  const name = statusName(statusCode);
  return isServerFault(statusCode)
    ? { [ATTR_RPC_STATUS_CODE]: name, [ATTR_ERROR_TYPE]: name }
    : { [ATTR_RPC_STATUS_CODE]: name };
}

/** The method and the status of a series of call durations. */
export function seriesOf(attributes: Attributes): { readonly method: string; readonly status: string } {
  return { method: String(attributes[ATTR_RPC_METHOD]), status: String(attributes[ATTR_RPC_STATUS_CODE]) };
}

export function setOperationAttributes(span: Span, attributes: OperationAttributes): void {
  const { namespace, outcome, shard, valueBytes, operations } = attributes;
  if (namespace !== undefined) span.setAttribute("meshcache.namespace", namespace);
  if (outcome !== undefined) span.setAttribute("meshcache.outcome", outcome);
  if (shard !== undefined) span.setAttribute("meshcache.shard", shard);
  if (valueBytes !== undefined) span.setAttribute("meshcache.value.size", valueBytes);
  if (operations !== undefined) span.setAttribute("meshcache.operations", operations);
}

/**
 * What handlers are given and what becomes of what they throw: a fault goes to the log with its cause, and to the
 * caller without.
 */
import { Metadata, type status } from "@grpc/grpc-js";
import type { Boundary } from "../../common/boundary.ts";
import type { Limits } from "../../rpc/limits.ts";
import { isFault } from "../../rpc/status.ts";
import { checkClientId } from "../../rpc/validate.ts";
import type { Writer } from "../../store/api/store.ts";
import type { CallSpan, Telemetry } from "../../telemetry/telemetry.ts";
import type { RequestReader, StreamingCall } from "./handler-call.ts";
import { toServiceError } from "./service-error.ts";

export const CLIENT_ID_HEADER = "meshcache-client-id";

/** What a handler knows of its call beside the request. */
export interface CallContext {
  readonly span: CallSpan;
  readonly clientId: string;
  readonly writer: Writer;
}

export interface HandlerDeps {
  readonly limits: Limits;
  readonly telemetry: Telemetry;
  readonly boundary: Boundary;
}

/** The status that the standard of a service names. `message` holds nothing that a caller sent. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

/** Stops what a handler left running when its call is cancelled or closed. Called once. */
export type Cancel = () => void;

/** Opens a call of which the one request is whole. */
export type OpenServerStream<Request> = (
  call: StreamingCall,
  request: Request,
  context: CallContext,
) => Cancel;

/** Opens a call before its first request. */
export type OpenBidi<Request> = (call: StreamingCall, context: CallContext) => RequestReader<Request>;

/** What a handler is told of a call. Throws FIELD_INVALID. */
export function toContext(span: CallSpan, clientId: string, limits: Limits): CallContext {
  const origin = clientId === "" ? "" : checkClientId(clientId, limits, CLIENT_ID_HEADER);
  return { span, clientId: origin, writer: { origin, traceparent: span.traceparent } };
}

/** Logs what is a fault of the server's own. */
export function logFault(error: unknown, span: CallSpan, telemetry: Telemetry): void {
  if (!isFault(error)) return;
  telemetry.withCall(span, () => telemetry.logger.error({ err: error }, "a call failed"));
}

/** The status of a call whose handler threw, once a fault is logged. */
export function failureOf(error: unknown, span: CallSpan, telemetry: Telemetry) {
  if (error instanceof StatusError) {
    return { code: error.code, details: error.message, metadata: new Metadata() };
  }
  logFault(error, span, telemetry);
  return toServiceError(error);
}

/**
 * The one place that wraps handlers: what a handler throws becomes the call's status, a fault goes to the log
 * with its cause and to the caller without, and nothing a handler does can leave a call open or kill the
 * process.
 */
import { type handleUnaryCall, Metadata, type status } from "@grpc/grpc-js";
import type { Boundary } from "../../common/boundary.ts";
import type { Limits } from "../../rpc/limits.ts";
import { isFault, toServiceError } from "../../rpc/status.ts";
import { checkClientId } from "../../rpc/validate.ts";
import type { Writer } from "../../store/api/store.ts";
import type { CallSpan, Telemetry } from "../../telemetry/telemetry.ts";
import type { RequestReader, StreamingCall } from "./handler-call.ts";
import type { OpenCalls } from "./registry.ts";

export const CLIENT_ID_HEADER = "meshcache-client-id";

/** What a handler knows of its call beside the request. */
export interface CallContext {
  readonly span: CallSpan;
  readonly clientId: string;
  readonly writer: Writer;
}

export interface HandlerDeps {
  readonly calls: OpenCalls;
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

/** Wraps handlers that answer once, at once or later. No handler is async: a promise has no place to fail. */
export function unary<Request, Response>(
  deps: HandlerDeps,
  run: (request: Request, context: CallContext, reply: (response: Response) => void) => Cancel | undefined,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    try {
      // It may run inside of another peer's call, whose fault a failure here is not.
      const reply = deps.boundary.guard(undefined, (response: Response) => callback(null, response));
      const cancel = run(call.request, contextOf(call.metadata, deps), reply);
      if (cancel !== undefined) call.once("cancelled", deps.boundary.guard(undefined, cancel));
    } catch (error) {
      callback(failureOf(error, call.metadata, deps));
    }
  };
}

/** Wraps handlers that only look and answer. */
export function immediate<Request, Response>(
  deps: HandlerDeps,
  run: (request: Request, context: CallContext) => Response,
): handleUnaryCall<Request, Response> {
  return unary(deps, (request, context, reply) => {
    reply(run(request, context));
    return undefined;
  });
}

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

/** Throws FIELD_INVALID. */
export function contextOf(metadata: Metadata, { calls, limits }: HandlerDeps): CallContext {
  const [value] = metadata.get(CLIENT_ID_HEADER);
  return toContext(calls.spanOf(metadata), typeof value === "string" ? value : "", limits);
}

/** The status of a call whose handler threw, once a fault is logged. */
export function failureOf(error: unknown, metadata: Metadata, { calls, telemetry }: HandlerDeps) {
  if (error instanceof StatusError) {
    return { code: error.code, details: error.message, metadata: new Metadata() };
  }
  logFault(error, calls.spanOf(metadata), telemetry);
  return toServiceError(error);
}

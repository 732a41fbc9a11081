/**
 * What the handlers of methods are given and what they return, whether grpc-js or the accelerator serves their calls. What a handler throws becomes
 * the status of its call: a fault goes to the log with its cause, and to the caller without it.
 */
import { Metadata, type status } from "@grpc/grpc-js";
import type { Boundary } from "../../common/boundary.ts";
import type { CacheError } from "../../common/errors.ts";
import type { Limits } from "../../rpc/limits.ts";
import { isFault } from "../../rpc/status.ts";
import { checkClientId } from "../../rpc/validate.ts";
import type { Access } from "../../security/access/access.ts";
import type { Pending } from "../../store/api/backend.ts";
import type { Writer } from "../../store/api/store.ts";
import type { CallSpan, Telemetry } from "../../telemetry/telemetry.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import type { RequestReader, StreamingCall } from "./handler-call.ts";
import { toServiceError } from "./service-error.ts";

export const CLIENT_ID_HEADER = "meshcache-client-id";

/** What a handler knows of its call beside the request. */
export interface CallContext {
  readonly span: CallSpan;
  readonly clientId: string;
  readonly writer: Writer;
  /** What all calls of its connection hold. */
  readonly memory: ConnectionMemory;
  /** What its caller may do. Undefined: everything. */
  readonly access: Access | undefined;
  /**
   * Whoever settles it encodes the response before `settle` returns, and keeps nothing of it: the memory of large values may be used
   * again then. False: values get memory of their own.
   */
  readonly encodesAtOnce: boolean;
  /** Its port serves nothing that changes the store. Undefined: it serves all. */
  readonly readOnly?: true;
}

export interface HandlerDeps {
  readonly limits: Limits;
  readonly telemetry: Telemetry;
  readonly boundary: Boundary;
}

/** A status that the specification of a service names. `message` holds nothing that a caller sent. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.code = code;
  }
}

/** Stops what the handler of a stream left running when its call is cancelled or closed. Called at most once. */
export type Cancel = () => void;

/** Ends a unary call with its response or an error. Never throws: what fails here ends this call alone. */
export type Settle<Response> = (outcome: Response | CacheError) => void;

/** Answers one request with one response. */
export interface UnaryHandler<Request, Response> {
  readonly kind: "unary";
  /**
   * Calls `settle` exactly once: before it returns undefined, or later, when it returns what the call waits for, which is cancelled
   * at most once. `settle` may be called during another caller's store call. No handler is async: nobody would see what a promise rejects with.
   */
  run(request: Request, context: CallContext, settle: Settle<Response>): Pending | undefined;
}

/** Answers one request with many responses, which it encodes itself. */
export interface ServerStreamHandler<Request> {
  readonly kind: "serverStream";
  /** Called when the request is complete. Returns what closes the stream. */
  open(call: StreamingCall, request: Request, context: CallContext): Cancel;
}

/** Answers many requests with many responses, which it encodes itself. */
export interface BidiHandler<Request> {
  readonly kind: "bidi";
  /** Called before the first request. */
  open(call: StreamingCall, context: CallContext): RequestReader<Request>;
}

export function unary<Request, Response>(
  run: UnaryHandler<Request, Response>["run"],
): UnaryHandler<Request, Response> {
  return { kind: "unary", run };
}

/** A unary handler that never waits. */
export function immediate<Request, Response>(
  run: (request: Request, context: CallContext) => Response,
): UnaryHandler<Request, Response> {
  return unary((request, context, settle) => {
    settle(run(request, context));
    return undefined;
  });
}

export function serverStream<Request>(
  open: ServerStreamHandler<Request>["open"],
): ServerStreamHandler<Request> {
  return { kind: "serverStream", open };
}

export function bidi<Request>(open: BidiHandler<Request>["open"]): BidiHandler<Request> {
  return { kind: "bidi", open };
}

/** `clientId`: empty when the caller named none. Throws FIELD_INVALID. */
export function toContext(
  span: CallSpan,
  clientId: string,
  limits: Limits,
  memory: ConnectionMemory,
  access: Access | undefined,
  encodesAtOnce: boolean,
): CallContext {
  const origin = clientId === "" ? "" : checkClientId(clientId, limits, CLIENT_ID_HEADER);
  const writer = { origin, traceparent: span.traceparent };
  return { span, clientId: origin, writer, memory, access, encodesAtOnce };
}

/** The status of a call whose handler threw `error`. Logs a fault. */
export function failureOf(error: unknown, span: CallSpan, telemetry: Telemetry) {
  if (error instanceof StatusError) {
    return { code: error.code, details: error.message, metadata: new Metadata() };
  }
  if (isFault(error)) {
    telemetry.withCall(span, () => telemetry.logger.error({ err: error }, "a call failed"));
  }
  return toServiceError(error);
}

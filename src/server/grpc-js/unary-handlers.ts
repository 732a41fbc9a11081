/** Unary handlers as grpc-js takes them: what a handler throws becomes the status of its call. */
import type { handleUnaryCall, Metadata } from "@grpc/grpc-js";
import {
  type CallContext,
  type Cancel,
  CLIENT_ID_HEADER,
  failureOf,
  type HandlerDeps,
  toContext,
} from "../calls/handler.ts";
import { spanOf } from "./interceptor.ts";

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
      callback(failureOf(error, spanOf(call.metadata), deps.telemetry));
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

/** Throws FIELD_INVALID. */
export function contextOf(metadata: Metadata, { limits }: HandlerDeps): CallContext {
  const [value] = metadata.get(CLIENT_ID_HEADER);
  return toContext(spanOf(metadata), typeof value === "string" ? value : "", limits);
}

/** The trace that a request belongs to, as its `traceparent` and `tracestate` say. */
import { type Context, createTraceState, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { parseTraceparent } from "./traceparent.ts";

/** `header` reads incoming metadata. */
export function incomingContext(header: (name: string) => string | undefined): Context {
  const traceparent = header("traceparent");
  const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  if (parent === undefined) return ROOT_CONTEXT;
  const tracestate = header("tracestate");
  const state = tracestate === undefined ? undefined : createTraceState(tracestate);
  return trace.setSpanContext(ROOT_CONTEXT, state === undefined ? parent : { ...parent, traceState: state });
}

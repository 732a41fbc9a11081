/** The span and the duration of one operation that goes to a server. */
import {
  type Attributes,
  type Histogram,
  isSpanContextValid,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
} from "@opentelemetry/api";
import type { CacheError } from "../../common/errors.ts";
import { statusCodeOf, statusName } from "../../rpc/status.ts";
import type { OperationReply } from "../messages/replies.ts";

/** The methods of the contract that an operation can stand for. */
export type OperationName = "Get" | "Set" | "Invalidate" | "Touch" | "Lease";

/** The gRPC status code of a call that succeeded. */
const OK = 0;
const SERVICE = "meshcache.v1.CacheService";
const UNTRACED = "";

export interface OperationTrace {
  /** W3C traceparent of the span when it is sampled, else "". */
  readonly traceparent: string;
  end(reply: OperationReply): void;
  fail(error: CacheError): void;
}

export const unobserved: OperationTrace = { traceparent: UNTRACED, end: () => {}, fail: () => {} };

export class ObservedOperation implements OperationTrace {
  readonly traceparent: string;
  readonly #attributes: Attributes;
  readonly #span: Span | undefined;
  readonly #duration: Histogram | undefined;
  readonly #stopwatch: () => number;
  readonly #startedAt: number;

  constructor(
    name: OperationName,
    namespace: string,
    span: Span | undefined,
    duration: Histogram | undefined,
    stopwatch: () => number,
  ) {
    this.traceparent = span === undefined ? UNTRACED : toTraceparent(span);
    this.#attributes = { "meshcache.operation": name, "meshcache.namespace": namespace };
    this.#span = span;
    this.#duration = duration;
    this.#stopwatch = stopwatch;
    this.#startedAt = stopwatch();
  }

  end(reply: OperationReply): void {
    this.#finish("meshcache.outcome", outcomeOf(reply), OK);
  }

  fail(error: CacheError): void {
    this.#span?.setStatus({ code: SpanStatusCode.ERROR, message: error.reason });
    this.#finish("error.type", error.reason, statusCodeOf(error));
  }

  #finish(attribute: string, value: string, statusCode: number): void {
    this.#attributes[attribute] = value;
    this.#duration?.record((this.#stopwatch() - this.#startedAt) / 1_000, this.#attributes);
    if (this.#span === undefined) return;
    this.#span.setAttribute(attribute, value);
    this.#span.setAttribute("rpc.status_code", statusName(statusCode));
    this.#span.end();
  }
}

/** By the stable RPC conventions, with one operation of a stream as one call of its method. */
export function startSpan(tracer: Tracer, name: OperationName, namespace: string, address: string): Span {
  const method = `${SERVICE}/${name}`;
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  return tracer.startSpan(method, {
    kind: SpanKind.CLIENT,
    attributes: {
      "rpc.system.name": "grpc",
      "rpc.method": method,
      "server.address": colon > 0 ? address.slice(0, colon) : address,
      ...(colon > 0 && Number.isInteger(port) ? { "server.port": port } : {}),
      "meshcache.namespace": namespace,
    },
  });
}

function toTraceparent(span: Span): string {
  const spanContext = span.spanContext();
  if ((spanContext.traceFlags & TraceFlags.SAMPLED) === 0) return UNTRACED;
  return isSpanContextValid(spanContext) ? `00-${spanContext.traceId}-${spanContext.spanId}-01` : UNTRACED;
}

/** The name of the outcome in spans and metrics. */
function outcomeOf(reply: OperationReply): string {
  switch (reply.case) {
    case "get": {
      const { outcome } = reply.value;
      if (outcome.case === "hit") return outcome.value.stale ? "stale_hit" : "hit";
      return outcome.case === "notModified" ? "not_modified" : "miss";
    }
    case "set":
      return reply.value.outcome.case === "stored" ? "stored" : "not_stored";
    case "invalidate":
      return "invalidated";
    case "touch":
      return reply.value.touched ? "touched" : "miss";
    case "lease":
      return reply.value.outcome.case ?? "unknown";
    case "error":
      return "error";
    case undefined:
      return "unknown";
    default:
      return reply satisfies never;
  }
}

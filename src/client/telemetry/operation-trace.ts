/** The span and the duration of one operation that goes to a server. */

import type { Attributes, Histogram, Span, SpanKind, SpanStatusCode, Tracer } from "@opentelemetry/api";
import type { CacheError } from "../../common/errors.ts";
import { parseServerAddress } from "../../common/host-port.ts";
import { statusCodeOf } from "../../rpc/status.ts";
import { STATUS_CODE, statusName } from "../../rpc/status-codes.ts";
import type { OperationReply } from "../messages/replies.ts";
import type { OperationName, OperationTrace } from "./operation.ts";

const SERVICE = "meshcache.v1.CacheService";
const UNTRACED = "";
// The numbers of the API's enums, which are not imported: see otel-global.ts.
const CLIENT: SpanKind.CLIENT = 2;
const ERROR: SpanStatusCode.ERROR = 2;
const SAMPLED_FLAG = 1;
const TRACE_ID = /^(?!0+$)[0-9a-f]{32}$/i;
const SPAN_ID = /^(?!0+$)[0-9a-f]{16}$/i;

export const unobserved: OperationTrace = { traceparent: UNTRACED, end: () => {}, fail: () => {} };

export class ObservedOperation implements OperationTrace {
  readonly traceparent: string;
  readonly #attributes: Attributes;
  readonly #span: Span | undefined;
  readonly #duration: Histogram | undefined;
  readonly #stopwatch: () => number;
  readonly #startedAt: number;
  readonly #caught: (error: unknown) => void;

  constructor(
    name: OperationName,
    namespace: string,
    span: Span | undefined,
    duration: Histogram | undefined,
    stopwatch: () => number,
    caught: (error: unknown) => void,
  ) {
    this.traceparent = span === undefined ? UNTRACED : toTraceparent(span, caught);
    this.#caught = caught;
    this.#attributes = { "meshcache.operation": name, "meshcache.namespace": namespace };
    this.#span = span;
    this.#duration = duration;
    this.#stopwatch = stopwatch;
    this.#startedAt = stopwatch();
  }

  end(reply: OperationReply): void {
    this.#finish("meshcache.outcome", outcomeOf(reply), STATUS_CODE.OK);
  }

  fail(error: CacheError): void {
    this.#finish("error.type", error.reason, statusCodeOf(error), error.reason);
  }

  #finish(attribute: string, value: string, statusCode: number, failure?: string): void {
    this.#attributes[attribute] = value;
    try {
      this.#duration?.record((this.#stopwatch() - this.#startedAt) / 1_000, this.#attributes);
    } catch (error) {
      this.#caught(error);
    }
    const span = this.#span;
    if (span === undefined) return;
    try {
      if (failure !== undefined) span.setStatus({ code: ERROR, message: failure });
      span.setAttribute(attribute, value);
      span.setAttribute("rpc.status_code", statusName(statusCode));
    } catch (error) {
      this.#caught(error);
    }
    endSpan(span, this.#caught);
  }
}

/** Ends a span. Never throws. */
export function endSpan(span: Span, caught: (error: unknown) => void): void {
  try {
    span.end();
  } catch (error) {
    caught(error);
  }
}

/** By the stable RPC conventions, with one operation of a stream as one call of its method. */
export function startSpan(tracer: Tracer, name: OperationName, namespace: string, address: string): Span {
  const method = `${SERVICE}/${name}`;
  // What grpc-js takes as a target is no HOST:PORT.
  const place = parseServerAddress(address);
  return tracer.startSpan(method, {
    kind: CLIENT,
    attributes: {
      "rpc.system.name": "grpc",
      "rpc.method": method,
      "server.address": place?.host ?? address,
      ...(place === undefined ? {} : { "server.port": place.port }),
      "meshcache.namespace": namespace,
    },
  });
}

function toTraceparent(span: Span, caught: (error: unknown) => void): string {
  try {
    const { traceId, spanId, traceFlags } = span.spanContext();
    if ((traceFlags & SAMPLED_FLAG) === 0) return UNTRACED;
    return TRACE_ID.test(traceId) && SPAN_ID.test(spanId) ? `00-${traceId}-${spanId}-01` : UNTRACED;
  } catch (error) {
    caught(error);
    return UNTRACED;
  }
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
    case "increment":
      return reply.value.outcome.case === "incremented" ? "incremented" : "not_incremented";
    case "listKeys":
      return "listed";
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

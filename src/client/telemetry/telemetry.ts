/**
 * What the client tells OpenTelemetry: a CLIENT span and a duration for each operation that goes to a server, counters of
 * the near cache, and the coherence probe's findings. Without an SDK all of it costs a look for one. Never a key, a value
 * or a token.
 */
import type { Attributes, Histogram, Span, SpanKind, SpanStatusCode, Tracer } from "@opentelemetry/api";
import type { CacheError } from "../../common/errors.ts";
import { statusCodeOf } from "../../rpc/status.ts";
import { STATUS_CODE, statusName } from "../../rpc/status-codes.ts";
import type { OperationReply } from "../messages/replies.ts";
import type { ObservedName } from "./instruments.ts";
import { Measurements } from "./measurements.ts";
import { tracerProvider, withSpan } from "./otel-global.ts";

/** The contract's methods that an operation stands for. */
export type OperationName = "Get" | "Set" | "Invalidate" | "Touch" | "Lease";

const SCOPE = "meshcache";
const SERVICE = "meshcache.v1.CacheService";
// The numbers of the API's enums, which are not imported: see otel-global.ts.
const INTERNAL: SpanKind.INTERNAL = 0;
const CLIENT: SpanKind.CLIENT = 2;
const ERROR: SpanStatusCode.ERROR = 2;
const SAMPLED_FLAG = 1;
const TRACE_ID = /^(?!0+$)[0-9a-f]{32}$/i;
const SPAN_ID = /^(?!0+$)[0-9a-f]{16}$/i;

export interface OperationTrace {
  /** W3C traceparent of the span when it is sampled, else "". */
  readonly traceparent: string;
  end(reply: OperationReply): void;
  fail(error: CacheError): void;
}

/** What the observed instruments read when metrics are collected. */
export type Observe = () => Readonly<Record<ObservedName, number>>;

export interface ClientTelemetry {
  /** `server.address` is "host:port". */
  operation(name: OperationName, namespace: string, server: { readonly address: string }): OperationTrace;
  /** A span for a near hit; only called when the options ask for it. */
  nearHit(namespace: string): void;
  /** A probe ended: how out of date the probed hit can have been, and whether that broke the promise. */
  probed(namespace: string, stalenessMs: number, violation: boolean): void;
  /** Runs a loader under a span of its own. */
  load<Result>(namespace: string, body: () => Promise<Result>): Promise<Result>;
  /** Registers the client's counters and gauges; returns what takes them back. */
  observe(read: Observe): () => void;
}

const UNTRACED = "";

const unobserved: OperationTrace = { traceparent: UNTRACED, end: () => {}, fail: () => {} };

export interface TelemetrySettings {
  readonly spans: boolean;
  /** Tells the counters of a process's clients apart. Empty: a number is. */
  readonly clientId: string;
  /** Milliseconds with a fraction, for durations only: no decision rests on it. */
  readonly stopwatch?: () => number;
}

/** Clients of this process without a name of their own. */
let unnamedClients = 0;

export function createClientTelemetry(settings: TelemetrySettings): ClientTelemetry {
  let registered: Tracer | undefined;
  const tracer = (): Tracer | undefined => {
    registered ??= tracerProvider()?.getTracer(SCOPE);
    return registered;
  };
  const measurements = new Measurements(SCOPE);
  const stopwatch = settings.stopwatch ?? (() => performance.now());

  return {
    operation(name, namespace, server) {
      const spans = settings.spans ? tracer() : undefined;
      const instruments = measurements.instruments();
      if (spans === undefined && instruments === undefined) return unobserved;
      const span = spans && startSpan(spans, name, namespace, server.address);
      return new ObservedOperation(name, namespace, span, instruments?.duration, stopwatch);
    },
    nearHit(namespace) {
      tracer()
        ?.startSpan("meshcache near hit", {
          kind: INTERNAL,
          attributes: { "meshcache.namespace": namespace, "meshcache.source": "near" },
        })
        .end();
    },
    probed(namespace, stalenessMs, violation) {
      const instruments = measurements.instruments();
      const attributes: Attributes = { "meshcache.namespace": namespace };
      instruments?.staleness.record(stalenessMs / 1_000, attributes);
      if (violation) instruments?.violations.add(1, attributes);
    },
    async load(namespace, body) {
      const spans = settings.spans ? tracer() : undefined;
      if (spans === undefined) return body();
      const attributes: Attributes = { "meshcache.namespace": namespace };
      const span = spans.startSpan("meshcache load", { kind: INTERNAL, attributes });
      try {
        return await withSpan(span, body);
      } catch (error) {
        span.setStatus({ code: ERROR });
        throw error;
      } finally {
        span.end();
      }
    },
    observe(read) {
      if (settings.clientId === "") unnamedClients += 1;
      return measurements.observe(read, settings.clientId || `${unnamedClients}`);
    },
  };
}

class ObservedOperation implements OperationTrace {
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
    this.#finish("meshcache.outcome", outcomeOf(reply), STATUS_CODE.OK);
  }

  fail(error: CacheError): void {
    this.#span?.setStatus({ code: ERROR, message: error.reason });
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

/** The stable RPC conventions: one operation of a stream is one call of its method. */
function startSpan(tracer: Tracer, name: OperationName, namespace: string, address: string): Span {
  const method = `${SERVICE}/${name}`;
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  return tracer.startSpan(method, {
    kind: CLIENT,
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
  const { traceId, spanId, traceFlags } = span.spanContext();
  if ((traceFlags & SAMPLED_FLAG) === 0) return UNTRACED;
  return TRACE_ID.test(traceId) && SPAN_ID.test(spanId) ? `00-${traceId}-${spanId}-01` : UNTRACED;
}

/** The outcome as spans and metrics call it. */
export function outcomeOf(reply: OperationReply): string {
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

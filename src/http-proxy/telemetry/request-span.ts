/** The span of one request of a client, and those of its requests to the origin. Names and attributes have no part of the URL. */
import { context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from "@opentelemetry/api";
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_SCHEME,
} from "@opentelemetry/semantic-conventions";
import { incomingContext } from "../../telemetry/incoming-context.ts";
import type { Outcome } from "./counts.ts";

/** Others are "_OTHER": whoever sends requests must not choose how many series there are. */
const METHODS: ReadonlySet<string> = new Set([
  ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "QUERY"],
]);

export function methodName(method: string): string {
  return METHODS.has(method) ? method : "_OTHER";
}

export interface OriginAddress {
  readonly host: string;
  readonly port: number;
}

export class RequestSpan {
  readonly #tracer: Tracer;
  readonly #span: Span;

  /** `header` reads the headers of the client. */
  constructor(
    tracer: Tracer,
    method: string,
    header: (name: string) => string | undefined,
    namespace: string,
  ) {
    const name = methodName(method);
    this.#tracer = tracer;
    this.#span = tracer.startSpan(
      name === "_OTHER" ? "HTTP" : name,
      {
        kind: SpanKind.SERVER,
        attributes: {
          [ATTR_HTTP_REQUEST_METHOD]: name,
          [ATTR_URL_SCHEME]: "http",
          "meshcache.namespace": namespace,
        },
      },
      incomingContext(header),
    );
  }

  /** Runs `body` with this span as the active one: what the client of the cache does joins its trace. */
  run<Result>(body: () => Result): Result {
    return context.with(trace.setSpan(context.active(), this.#span), body);
  }

  outcome(outcome: Outcome, source: "near" | "remote" | undefined): void {
    this.#span.setAttribute("meshcache.outcome", outcome);
    if (source !== undefined) this.#span.setAttribute("meshcache.source", source);
  }

  startOrigin(method: string, { host, port }: OriginAddress): OriginSpan {
    const name = methodName(method);
    const attributes = {
      [ATTR_HTTP_REQUEST_METHOD]: name,
      [ATTR_SERVER_ADDRESS]: host,
      [ATTR_SERVER_PORT]: port,
    };
    const span = this.#tracer.startSpan(
      name === "_OTHER" ? "HTTP" : name,
      { kind: SpanKind.CLIENT, attributes },
      trace.setSpan(context.active(), this.#span),
    );
    return new OriginSpan(span);
  }

  /** `status`: of the answer; 0: its client was gone before. */
  end(status: number): void {
    if (status > 0) this.#span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, status);
    if (status >= 500) fail(this.#span, String(status));
    this.#span.end();
  }
}

export class OriginSpan {
  readonly #span: Span;

  constructor(span: Span) {
    this.#span = span;
  }

  /** For the origin: it goes on with this trace, whether it is recorded or not. */
  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext();
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
  }

  end(status: number | undefined, error: string | undefined): void {
    if (status !== undefined) this.#span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, status);
    if (error !== undefined) fail(this.#span, error);
    else if (status !== undefined && status >= 400) fail(this.#span, String(status));
    this.#span.end();
  }
}

function fail(span: Span, type: string): void {
  span.setAttribute(ATTR_ERROR_TYPE, type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

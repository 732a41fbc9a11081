/** OpenTelemetry for the example: every ended span is reported to the parent process. */
import { context, propagation, ROOT_CONTEXT, type SpanKind, trace } from "@opentelemetry/api";
import { NodeSDK } from "@opentelemetry/sdk-node";

export interface SpanReport {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: the span is a root. */
  readonly parentId: string;
}

/** The messages of a service to its parent process. */
export type Report =
  | { readonly kind: "listening"; readonly address: string }
  | { readonly kind: "span"; readonly span: SpanReport };

export function report(message: Report): void {
  process.send?.(message);
}

/** A real service exports to a collector instead: `new NodeSDK()` and the OTEL_* variables. */
export function startTracing(service: string): void {
  new NodeSDK({
    serviceName: service,
    autoDetectResources: false,
    metricReaders: [],
    logRecordProcessors: [],
    spanProcessors: [
      {
        onStart: () => undefined,
        onEnd(span) {
          const { traceId, spanId } = span.spanContext();
          const parentId = span.parentSpanContext?.spanId ?? "";
          report({ kind: "span", span: { service, name: span.name, traceId, spanId, parentId } });
        },
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      },
    ],
  }).start();
}

/** Runs `body` under a span. The W3C `headers` name its parent. */
export async function withSpan<Result>(
  name: string,
  kind: SpanKind,
  headers: Readonly<Record<string, unknown>>,
  body: () => Promise<Result>,
): Promise<Result> {
  const parent = propagation.extract(ROOT_CONTEXT, headers);
  const span = trace.getTracer("example").startSpan(name, { kind }, parent);
  try {
    return await context.with(trace.setSpan(parent, span), body);
  } finally {
    span.end();
  }
}

/** The W3C headers of the active span. */
export function traceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(context.active(), headers);
  return headers;
}

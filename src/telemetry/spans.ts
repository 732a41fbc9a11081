/** The spans of calls and batch operations. Each ends once, although the transport may report the end twice. */
import { type Span, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { isServerFault, setOperationAttributes, statusAttributes } from "./conventions.ts";
import type { CallSpan, OperationAttributes, OperationSpan } from "./telemetry.ts";
import { formatTraceparent } from "./traceparent.ts";

/** Called when a call ends. */
export type OnCallEnd = (durationS: number, statusCode: number) => void;

/** The span of a call, which also measures its duration: always, although the span may not be recorded. */
export class MeasuredCall implements CallSpan {
  readonly span: Span;
  readonly sampled: boolean;
  readonly #startedAtMs = performance.now();
  readonly #onEnd: OnCallEnd;
  #ended = false;

  constructor(span: Span, onEnd: OnCallEnd) {
    this.span = span;
    this.sampled = span.isRecording() && (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
    this.#onEnd = onEnd;
  }

  get traceparent(): string {
    return formatTraceparent(this.span.spanContext());
  }

  set(attributes: OperationAttributes): void {
    if (!this.#ended && this.span.isRecording()) setOperationAttributes(this.span, attributes);
  }

  end(statusCode: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#onEnd((performance.now() - this.#startedAtMs) / 1000, statusCode);
    endSpan(this.span, statusCode);
  }
}

export class RecordedOperation implements OperationSpan {
  readonly traceparent: string;
  readonly #span: Span;
  #ended = false;

  constructor(span: Span) {
    this.#span = span;
    this.traceparent = formatTraceparent(span.spanContext());
  }

  set(attributes: OperationAttributes): void {
    if (!this.#ended) setOperationAttributes(this.#span, attributes);
  }

  end(statusCode: number): void {
    if (this.#ended) return;
    this.#ended = true;
    endSpan(this.#span, statusCode);
  }
}

function endSpan(span: Span, statusCode: number): void {
  if (!span.isRecording()) return;
  span.setAttributes(statusAttributes(statusCode));
  if (isServerFault(statusCode)) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** The spans of calls and of batch operations, each ended once whatever the transport reports twice. */
import { type Span, SpanStatusCode, TraceFlags } from "@opentelemetry/api";
import { isServerFault, setOperationAttributes, statusAttributes } from "./conventions.ts";
import type { CallSpan, OperationAttributes, OperationSpan } from "./telemetry.ts";
import { formatTraceparent } from "./traceparent.ts";

/** Told when a call ended: how long it took, and its status. */
export type OnCallEnd = (durationS: number, statusCode: number) => void;

/** A call always has a duration to report, and a span to fill only when it is recorded. */
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

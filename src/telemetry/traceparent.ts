/**
 * Reads and writes `traceparent` of the W3C trace context, level 2. Not with the propagator of OpenTelemetry: it is read for
 * every operation of every batch, and most are not sampled.
 */
import { type SpanContext, TraceFlags } from "@opentelemetry/api";

/** "00-<32 hex>-<16 hex>-<2 hex>". */
const TRACEPARENT_LENGTH = 55;
const FLAGS_AT = 53;
const TRACEPARENT_PATTERN = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Undefined when the header is malformed. */
export function parseTraceparent(header: string): SpanContext | undefined {
  if (header.length < TRACEPARENT_LENGTH) return undefined;
  // Later versions may append fields; version 00 has exactly these.
  if (header.length > TRACEPARENT_LENGTH && (header.startsWith("00") || header[TRACEPARENT_LENGTH] !== "-"))
    return undefined;
  if (!TRACEPARENT_PATTERN.test(header.slice(0, TRACEPARENT_LENGTH))) return undefined;
  return {
    traceId: header.slice(3, 35),
    spanId: header.slice(36, 52),
    traceFlags: Number.parseInt(header.slice(FLAGS_AT, TRACEPARENT_LENGTH), 16) & TraceFlags.SAMPLED,
    isRemote: true,
  };
}

/** A cheap check before `parseTraceparent`: false when the header is not sampled, or too short. */
export function maybeSampled(traceparent: string): boolean {
  return (
    traceparent.length >= TRACEPARENT_LENGTH &&
    (hexDigit(traceparent.charCodeAt(TRACEPARENT_LENGTH - 1)) & 1) === 1
  );
}

/** "" when the context is not sampled. */
export function formatTraceparent(context: SpanContext): string {
  if ((context.traceFlags & TraceFlags.SAMPLED) === 0) return "";
  return `00-${context.traceId}-${context.spanId}-01`;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  return code >= 97 && code <= 102 ? code - 87 : 0;
}

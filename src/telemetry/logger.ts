/**
 * The log of the process: one JSON object per line, with the ids of the active span. Callers never pass it anything secret, so
 * it redacts nothing.
 */
import { context, isSpanContextValid, trace } from "@opentelemetry/api";
import { type DestinationStream, type LoggerOptions, pino } from "pino";
import type { Logger } from "./telemetry.ts";

/** From the least severe. */
export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const DEFAULT_LOG_LEVEL: LogLevel = "info";

/** File descriptor. */
const STDERR = 2;

export interface CreateLoggerOptions {
  /** Lines of a lower level are not written. Default "info". */
  readonly level?: LogLevel;
  /** Default: standard error, since commands print their results to standard output. */
  readonly destination?: DestinationStream;
  /** Fields of every line. Default: none. */
  readonly fields?: Readonly<Record<string, string | number>>;
}

export function createLogger(options: CreateLoggerOptions = {}): Logger {
  const settings: LoggerOptions = {
    level: options.level ?? DEFAULT_LOG_LEVEL,
    base: options.fields ?? null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    mixin: activeSpanIds,
  };
  // Synchronous: otherwise the line that says why a thread ended may be lost when it ends.
  return pino(settings, options.destination ?? pino.destination({ dest: STDERR, sync: true }));
}

/** Field names as OpenTelemetry specifies them for other log formats. */
function activeSpanIds(): object {
  const ids = trace.getSpanContext(context.active());
  if (ids === undefined || !isSpanContextValid(ids)) return {};
  return {
    trace_id: ids.traceId,
    span_id: ids.spanId,
    trace_flags: ids.traceFlags.toString(16).padStart(2, "0"),
  };
}

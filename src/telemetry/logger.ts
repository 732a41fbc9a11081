/**
 * The process's log: one JSON object a line, with the ids of the active span. What is secret is never given
 * to it, so it hides nothing.
 */
import { context, isSpanContextValid, trace } from "@opentelemetry/api";
import { type DestinationStream, type LoggerOptions, pino } from "pino";
import type { Logger } from "./telemetry.ts";

/** From the least severe. */
export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export const DEFAULT_LOG_LEVEL: LogLevel = "info";

/** The descriptor of standard error. */
const STDERR = 2;

export interface CreateLoggerOptions {
  /** Lines below it are not written. Default "info". */
  readonly level?: LogLevel;
  /** Default: standard error, since standard output belongs to commands. */
  readonly destination?: DestinationStream;
  /** On every line. Default: none. */
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
  // A write that is under way when its thread ends may be lost, and with it why the thread ended.
  return pino(settings, options.destination ?? pino.destination({ dest: STDERR, sync: true }));
}

/** The names that OpenTelemetry gives to the ids in logs that are not its own. */
function activeSpanIds(): object {
  const ids = trace.getSpanContext(context.active());
  if (ids === undefined || !isSpanContextValid(ids)) return {};
  return {
    trace_id: ids.traceId,
    span_id: ids.spanId,
    trace_flags: ids.traceFlags.toString(16).padStart(2, "0"),
  };
}

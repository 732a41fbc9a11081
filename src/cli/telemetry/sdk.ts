/** What the SDK of a process and that of a worker thread have in common. */
import { type MeterProvider, metrics, type TracerProvider, trace } from "@opentelemetry/api";
import type { CallDurations } from "../../telemetry/call-durations.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import type { Providers } from "./providers.ts";

export interface Sdk {
  readonly tracerProvider: TracerProvider;
  readonly meterProvider: MeterProvider;
  /** Undefined without an SDK. */
  readonly callDurations?: CallDurations;
  /** Sends what is unsent, and waits at most `timeoutMs`. Never rejects. */
  shutdown(timeoutMs: number): Promise<void>;
}

/** How long a process waits at its end for what is unsent. */
export const TELEMETRY_FLUSH_MS = 2_000;

export function disabledSdk(): Sdk {
  return {
    tracerProvider: trace.getTracerProvider(),
    meterProvider: metrics.getMeterProvider(),
    shutdown: async () => {},
  };
}

export function endsWithin(providers: Providers, logger: Logger): Sdk {
  return { ...providers, shutdown: (timeoutMs) => settleWithin(providers.shutdown(), timeoutMs, logger) };
}

/** Bounds the wait, since a collector that does not answer must not keep a drained server alive. */
async function settleWithin(work: Promise<void>, timeoutMs: number, logger: Logger): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), timeoutMs);
  try {
    if ((await Promise.race([work, late])) === "late") {
      logger.warn({ timeoutMs }, "telemetry was not sent in time");
    }
  } catch (error) {
    logger.warn({ err: error }, "telemetry could not be sent");
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The providers of this process or thread. Without an exporter of traces there are only those of metrics: all of the SDK takes
 * longer to load than all of the server.
 */
import {
  type DiagLogger,
  DiagLogLevel,
  diag,
  type MeterProvider,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { detectResources, type Resource, type ResourceDetector } from "@opentelemetry/resources";
import { type IMetricReader, MeterProvider as SdkMeterProvider } from "@opentelemetry/sdk-metrics";
import { cutText } from "../../common/text.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import { asksForWholeSdk } from "./environment.ts";

export interface Providers {
  readonly tracerProvider: TracerProvider;
  readonly meterProvider: MeterProvider;
  /** Sends what is unsent. */
  shutdown(): Promise<void>;
}

export interface ProviderOptions {
  readonly resource: Resource;
  /** Find more of the resource. A variable may name others. */
  readonly detectors: readonly ResourceDetector[];
  readonly metricReaders: readonly IMetricReader[];
}

/** `logger`: gets the warnings of the SDK, such as an unreachable collector. */
export async function startProviders(logger: Logger, options: ProviderOptions): Promise<Providers> {
  const { env } = process;
  const logLevel = env.OTEL_LOG_LEVEL?.toLowerCase() === "none" ? DiagLogLevel.NONE : DiagLogLevel.WARN;
  const observe = () => diag.setLogger(toDiagLogger(logger), { logLevel, suppressOverrideMessage: true });
  if (asksForWholeSdk(env)) {
    const { startWholeSdk } = await import("./whole-sdk.ts");
    return startWholeSdk(env, options, observe);
  }
  observe();
  const { resource, detectors, metricReaders } = options;
  const meterProvider = new SdkMeterProvider({
    resource: resource.merge(detectResources({ detectors: [...detectors] })),
    readers: [...metricReaders],
  });
  return {
    tracerProvider: trace.getTracerProvider(),
    meterProvider,
    shutdown: () => meterProvider.shutdown(),
  };
}

const DIAGNOSTIC_MAX_LENGTH = 1_000;

function toDiagLogger(logger: Logger): DiagLogger {
  const line = (message: string) => cutText(message, DIAGNOSTIC_MAX_LENGTH);
  return {
    error: (message) => logger.error({ component: "opentelemetry" }, line(message)),
    warn: (message) => logger.warn({ component: "opentelemetry" }, line(message)),
    info: (message) => logger.info({ component: "opentelemetry" }, line(message)),
    debug: () => {},
    verbose: () => {},
  };
}

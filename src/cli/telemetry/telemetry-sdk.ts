/**
 * Starts the OpenTelemetry SDK of this process as the standard OTEL_* variables say. Without an endpoint or an
 * exporter, nothing is exported and nothing is logged about it. Metrics can be read here in any case. A worker thread
 * has an SDK of its own, which exports its spans. Its metrics are exported by the main thread.
 */

import {
  type Attributes,
  type DiagLogger,
  DiagLogLevel,
  diag,
  type MeterProvider,
  metrics,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import type { ScopeMetrics } from "@opentelemetry/sdk-metrics";
import { NodeSDK, type NodeSDKConfiguration } from "@opentelemetry/sdk-node";
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import { cutText } from "../../common/text.ts";
import { type CallDurations, createCallDurations } from "../../telemetry/call-durations.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import { isDisabled, resourceDetectorsFor, spanProcessorsFor } from "./environment.ts";
import { createPullReader, pushReaders } from "./metric-readers.ts";
import type { ThreadMetrics } from "./thread-metrics/collection.ts";

interface Sdk {
  readonly tracerProvider: TracerProvider;
  readonly meterProvider: MeterProvider;
  /** Undefined without an SDK. */
  readonly callDurations?: CallDurations;
  /** Sends what is unsent, and waits at most `timeoutMs`. Never rejects. */
  shutdown(timeoutMs: number): Promise<void>;
}

export interface TelemetrySdk extends Sdk {
  /** All metrics in the text format of Prometheus. */
  metricsText(): Promise<string>;
  /** The resource attributes, which identify this process in every signal. */
  resource(): Promise<Attributes>;
}

export interface ThreadSdk extends Sdk {
  /** All metrics of this thread, since its start. */
  collect(): Promise<readonly ScopeMetrics[]>;
}

export interface TelemetrySdkOptions {
  readonly serviceVersion: string;
  /** Gets the warnings of the SDK, such as an unreachable collector. */
  readonly logger: Logger;
  /** The metrics of worker threads, to be read with those of this one. */
  readonly threads?: ThreadMetrics | undefined;
}

export interface ThreadSdkOptions {
  readonly logger: Logger;
  /** The resource of the main thread. */
  readonly resource: Attributes;
}

/** How long a process waits at its end for what is unsent. */
export const TELEMETRY_FLUSH_MS = 2_000;

const DIAGNOSTIC_MAX_LENGTH = 1_000;

export function startTelemetrySdk({ serviceVersion, logger, threads }: TelemetrySdkOptions): TelemetrySdk {
  const { env } = process;
  if (isDisabled(env)) {
    return {
      ...disabledSdk(),
      metricsText: async () => "# OTEL_SDK_DISABLED is set\n",
      resource: async () => ({}),
    };
  }

  const callDurations = createCallDurations();
  const sources = { callDurations, threads };
  const pull = createPullReader(sources);
  const sdk = start(logger, {
    resource: defaultResource().merge(
      resourceFromAttributes({
        [ATTR_SERVICE_NAME]: "meshcache",
        [ATTR_SERVICE_VERSION]: serviceVersion,
      }),
    ),
    ...resourceDetectorsFor(env),
    metricReaders: [pull, ...pushReaders(env, sources)],
  });
  const serializer = new PrometheusSerializer("", false, undefined, false, true);
  const collect = async () => {
    const { resourceMetrics, errors } = await pull.collect();
    await resourceMetrics.resource.waitForAsyncAttributes?.();
    for (const error of errors) logger.warn({ err: error }, "an instrument could not be read");
    return resourceMetrics;
  };
  return {
    ...sdk,
    callDurations,
    metricsText: async () => serializer.serialize(await collect()),
    resource: async () => (await collect()).resource.attributes,
  };
}

export function startThreadSdk({ logger, resource }: ThreadSdkOptions): ThreadSdk {
  if (isDisabled(process.env)) return { ...disabledSdk(), collect: async () => [] };
  const callDurations = createCallDurations();
  const pull = createPullReader({ callDurations });
  const sdk = start(logger, {
    resource: resourceFromAttributes(resource),
    autoDetectResources: false,
    metricReaders: [pull],
  });
  return {
    ...sdk,
    callDurations,
    async collect() {
      const { resourceMetrics, errors } = await pull.collect();
      for (const error of errors) logger.warn({ err: error }, "an instrument could not be read");
      return resourceMetrics.scopeMetrics;
    },
  };
}

function start(logger: Logger, configuration: Partial<NodeSDKConfiguration>): Sdk {
  const { env } = process;
  const sdk = new NodeSDK({ ...configuration, ...spanProcessorsFor(env), logRecordProcessors: [] });
  diag.setLogger(toDiagLogger(logger), {
    logLevel: env.OTEL_LOG_LEVEL?.toLowerCase() === "none" ? DiagLogLevel.NONE : DiagLogLevel.WARN,
    suppressOverrideMessage: true,
  });
  sdk.start();
  return {
    tracerProvider: trace.getTracerProvider(),
    meterProvider: metrics.getMeterProvider(),
    shutdown: (timeoutMs) => settleWithin(sdk.shutdown(), timeoutMs, logger),
  };
}

function disabledSdk(): Sdk {
  return {
    tracerProvider: trace.getTracerProvider(),
    meterProvider: metrics.getMeterProvider(),
    shutdown: async () => {},
  };
}

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

/**
 * Starts the OpenTelemetry SDK of this process by the standard OTEL_* variables. With no endpoint and no
 * exporter named nothing is exported and nothing complains; metrics can be read here either way.
 */
import {
  type DiagLogger,
  DiagLogLevel,
  diag,
  type MeterProvider,
  metrics,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { OTLPMetricExporter as GrpcMetricExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPMetricExporter as JsonMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPMetricExporter as ProtobufMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import {
  defaultResource,
  envDetector,
  hostDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from "@opentelemetry/resources";
import {
  ConsoleMetricExporter,
  type IMetricReader,
  MetricReader,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from "@opentelemetry/sdk-metrics";
import { NodeSDK, type NodeSDKConfiguration } from "@opentelemetry/sdk-node";
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import type { Logger } from "../telemetry/telemetry.ts";

export interface TelemetrySdk {
  readonly tracerProvider: TracerProvider;
  readonly meterProvider: MeterProvider;
  /** All metrics in Prometheus' text format. */
  metricsText(): Promise<string>;
  /** Sends what is still unsent, for as long as it takes but not longer than `timeoutMs`. Never rejects. */
  shutdown(timeoutMs: number): Promise<void>;
}

export interface TelemetrySdkOptions {
  readonly serviceVersion: string;
  /** Gets the SDK's own warnings: an unreachable collector, say. */
  readonly logger: Logger;
}

type Environment = Readonly<NodeJS.ProcessEnv>;

const METRIC_EXPORT_INTERVAL_MS = 60_000;
const METRIC_EXPORT_TIMEOUT_MS = 30_000;
const DIAGNOSTIC_MAX_LENGTH = 1_000;

export function startTelemetrySdk(options: TelemetrySdkOptions): TelemetrySdk {
  const { env } = process;
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === "true") return createDisabledSdk();

  const pull = new PullReader();
  const sdk = new NodeSDK({
    resource: defaultResource().merge(
      resourceFromAttributes({
        [ATTR_SERVICE_NAME]: "meshcache",
        [ATTR_SERVICE_VERSION]: options.serviceVersion,
      }),
    ),
    ...resourceDetectorsFor(env),
    ...spanProcessorsFor(env),
    metricReaders: [pull, ...pushReaders(env)],
    logRecordProcessors: [],
  });
  diag.setLogger(toDiagLogger(options.logger), {
    logLevel: env.OTEL_LOG_LEVEL?.toLowerCase() === "none" ? DiagLogLevel.NONE : DiagLogLevel.WARN,
    suppressOverrideMessage: true,
  });
  sdk.start();

  const serializer = new PrometheusSerializer("", false, undefined, false, true);
  return {
    tracerProvider: trace.getTracerProvider(),
    meterProvider: metrics.getMeterProvider(),
    async metricsText() {
      const { resourceMetrics, errors } = await pull.collect();
      await resourceMetrics.resource.waitForAsyncAttributes?.();
      for (const error of errors) options.logger.warn({ err: error }, "an instrument could not be read");
      return serializer.serialize(resourceMetrics);
    },
    shutdown: (timeoutMs) => settleWithin(sdk.shutdown(), timeoutMs, options.logger),
  };
}

function createDisabledSdk(): TelemetrySdk {
  return {
    tracerProvider: trace.getTracerProvider(),
    meterProvider: metrics.getMeterProvider(),
    metricsText: async () => "# OTEL_SDK_DISABLED is set\n",
    shutdown: async () => {},
  };
}

/** A reader that is asked, by the admin port, instead of pushing. */
class PullReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** The process's own detector is left out unless asked for: it exports the command line. */
function resourceDetectorsFor(env: Environment): Pick<NodeSDKConfiguration, "resourceDetectors"> | object {
  if (env.OTEL_NODE_RESOURCE_DETECTORS) return {};
  return { resourceDetectors: [serviceInstanceIdDetector, hostDetector, envDetector] };
}

/** The specification's default is an endpoint on this host; a cache that nobody told of one sends nothing. */
function spanProcessorsFor(env: Environment): Pick<NodeSDKConfiguration, "spanProcessors"> | object {
  return wantsExport(env, "TRACES") ? {} : { spanProcessors: [] };
}

function wantsExport(env: Environment, signal: "TRACES" | "METRICS"): boolean {
  const exporters = env[`OTEL_${signal}_EXPORTER`]?.trim();
  if (exporters === "none") return false;
  return Boolean(
    exporters || env.OTEL_EXPORTER_OTLP_ENDPOINT || env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`],
  );
}

/** As NodeSDK would make them, had it not been given the pull reader. */
function pushReaders(env: Environment): IMetricReader[] {
  if (!wantsExport(env, "METRICS")) return [];
  const names = new Set((env.OTEL_METRICS_EXPORTER || "otlp").split(",").map((name) => name.trim()));
  const intervalMs = positive(env.OTEL_METRIC_EXPORT_INTERVAL) ?? METRIC_EXPORT_INTERVAL_MS;
  const timeoutMs = positive(env.OTEL_METRIC_EXPORT_TIMEOUT) ?? METRIC_EXPORT_TIMEOUT_MS;
  return [...names]
    .map((name) => pushExporter(name, env))
    .filter((exporter) => exporter !== undefined)
    .map(
      (exporter) =>
        new PeriodicExportingMetricReader({
          exporter,
          exportIntervalMillis: intervalMs,
          exportTimeoutMillis: Math.min(timeoutMs, intervalMs),
        }),
    );
}

/** Undefined for "prometheus", which the admin port serves already, and for what is not known. */
function pushExporter(name: string, env: Environment): PushMetricExporter | undefined {
  if (name === "console") return new ConsoleMetricExporter();
  if (name !== "otlp") return undefined;
  switch (env.OTEL_EXPORTER_OTLP_METRICS_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL) {
    case "grpc":
      return new GrpcMetricExporter();
    case "http/json":
      return new JsonMetricExporter();
    default:
      return new ProtobufMetricExporter();
  }
}

function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return value > 0 ? value : undefined;
}

function toDiagLogger(logger: Logger): DiagLogger {
  const line = (message: string) => message.slice(0, DIAGNOSTIC_MAX_LENGTH);
  return {
    error: (message) => logger.error({ component: "opentelemetry" }, line(message)),
    warn: (message) => logger.warn({ component: "opentelemetry" }, line(message)),
    info: (message) => logger.info({ component: "opentelemetry" }, line(message)),
    debug: () => {},
    verbose: () => {},
  };
}

/** A collector that does not answer must not keep a drained server alive. */
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

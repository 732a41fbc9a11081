/**
 * Starts the OpenTelemetry SDK of this process by the standard OTEL_* variables. With no endpoint and no
 * exporter named nothing is exported and nothing complains; metrics can be read here either way. A worker
 * thread has an SDK of its own, which exports its spans; its metrics go through the main thread's.
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
  AggregationTemporality,
  ConsoleMetricExporter,
  type IMetricReader,
  InstrumentType,
  MetricReader,
  type MetricReaderOptions,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
  type ScopeMetrics,
} from "@opentelemetry/sdk-metrics";
import { NodeSDK, type NodeSDKConfiguration } from "@opentelemetry/sdk-node";
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import { type CallDurations, createCallDurations } from "../../telemetry/call-durations.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import { createCallDurationProducer } from "./call-duration-metrics.ts";
import type { ThreadMetrics } from "./thread-metrics/collection.ts";

interface Sdk {
  readonly tracerProvider: TracerProvider;
  readonly meterProvider: MeterProvider;
  /** Undefined when there is no SDK. */
  readonly callDurations?: CallDurations;
  /** Sends what is still unsent, for as long as it takes but not longer than `timeoutMs`. Never rejects. */
  shutdown(timeoutMs: number): Promise<void>;
}

export interface TelemetrySdk extends Sdk {
  /** All metrics in Prometheus' text format. */
  metricsText(): Promise<string>;
  /** What tells this process from others, as every signal carries it. */
  resource(): Promise<Attributes>;
}

export interface ThreadSdk extends Sdk {
  /** All metrics of this thread, from its start. */
  collect(): Promise<readonly ScopeMetrics[]>;
}

export interface TelemetrySdkOptions {
  readonly serviceVersion: string;
  /** Gets the SDK's own warnings: an unreachable collector, say. */
  readonly logger: Logger;
  /** Of worker threads, to be read with this one's. */
  readonly threads?: ThreadMetrics | undefined;
}

export interface ThreadSdkOptions {
  readonly logger: Logger;
  /** The main thread's. */
  readonly resource: Attributes;
}

/** How long the end of a process waits for what is unsent. */
export const TELEMETRY_FLUSH_MS = 2_000;

type Environment = Readonly<NodeJS.ProcessEnv>;

const METRIC_EXPORT_INTERVAL_MS = 60_000;
const METRIC_EXPORT_TIMEOUT_MS = 30_000;
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
  const pull = new PullReader(producersFor(sources, AggregationTemporality.CUMULATIVE));
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
  const pull = new PullReader(producersFor({ callDurations }, AggregationTemporality.CUMULATIVE));
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

function isDisabled(env: Environment): boolean {
  return env.OTEL_SDK_DISABLED?.trim().toLowerCase() === "true";
}

function disabledSdk(): Sdk {
  return {
    tracerProvider: trace.getTracerProvider(),
    meterProvider: metrics.getMeterProvider(),
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
function pushReaders(env: Environment, sources: MetricSources): IMetricReader[] {
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
          ...producersFor(sources, exporter.selectAggregationTemporality?.(InstrumentType.HISTOGRAM)),
          exportIntervalMillis: intervalMs,
          exportTimeoutMillis: Math.min(timeoutMs, intervalMs),
        }),
    );
}

/** What readers read beside the SDK's own instruments. */
interface MetricSources {
  readonly callDurations: CallDurations;
  readonly threads?: ThreadMetrics | undefined;
}

function producersFor(
  { callDurations, threads }: MetricSources,
  temporality = AggregationTemporality.CUMULATIVE,
): Pick<MetricReaderOptions, "metricProducers"> {
  const own = createCallDurationProducer(callDurations, temporality);
  return { metricProducers: threads === undefined ? [own] : [own, threads.producer(temporality)] };
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

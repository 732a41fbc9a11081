/** The readers of metrics: one for the admin port, and one for each exporter that the environment names. */
import {
  AggregationTemporality,
  type IMetricReader,
  InstrumentType,
  MetricReader,
  type MetricReaderOptions,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { CallDurations } from "../../telemetry/call-durations.ts";
import { createCallDurationProducer } from "./call-duration-metrics.ts";
import { type Environment, positive, wantsExport } from "./environment.ts";
import type { ThreadMetrics } from "./thread-metrics/collection.ts";

const METRIC_EXPORT_INTERVAL_MS = 60_000;
const METRIC_EXPORT_TIMEOUT_MS = 30_000;

/** A reader that exports nothing by itself: the admin port asks it. */
export class PullReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

export function createPullReader(sources: MetricSources): PullReader {
  return new PullReader(producersFor(sources));
}

/** The readers that NodeSDK would create, which creates none when it is given one. */
export async function pushReaders(env: Environment, sources: MetricSources): Promise<IMetricReader[]> {
  if (!wantsExport(env, "METRICS")) return [];
  // Imported here: without an exporter, a server starts without the code of any.
  const { pushExporter } = await import("./push-exporters.ts");
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

/** What readers read besides the instruments of the SDK. */
export interface MetricSources {
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

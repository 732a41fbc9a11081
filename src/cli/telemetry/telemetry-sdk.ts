/**
 * Starts the OpenTelemetry SDK of this process as the standard OTEL_* variables say. Without an endpoint or an
 * exporter, nothing is exported and nothing is logged about it. Metrics can be read here in any case. thread-sdk.ts has that
 * of a worker thread.
 */

import type { Attributes } from "@opentelemetry/api";
import { PrometheusSerializer } from "@opentelemetry/exporter-prometheus";
import {
  defaultResource,
  envDetector,
  hostDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from "@opentelemetry/resources";
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import { createCallDurations } from "../../telemetry/call-durations.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import { isDisabled } from "./environment.ts";
import { createPullReader, pushReaders } from "./metric-readers.ts";
import { startProviders } from "./providers.ts";
import { disabledSdk, endsWithin, type Sdk } from "./sdk.ts";
import type { ThreadMetrics } from "./thread-metrics/collection.ts";

export interface TelemetrySdk extends Sdk {
  /** All metrics in the text format of Prometheus. */
  metricsText(): Promise<string>;
  /** The resource attributes, which identify this process in every signal. */
  resource(): Promise<Attributes>;
}

export interface TelemetrySdkOptions {
  /** Default: "meshcache". OTEL_SERVICE_NAME replaces it. */
  readonly serviceName?: string;
  readonly serviceVersion: string;
  /** Gets the warnings of the SDK, such as an unreachable collector. */
  readonly logger: Logger;
  /** The metrics of worker threads, to be read with those of this one. */
  readonly threads?: ThreadMetrics | undefined;
}

/** Without that of the process: it exports the command line. */
const DETECTORS = [serviceInstanceIdDetector, hostDetector, envDetector];

export async function startTelemetrySdk(options: TelemetrySdkOptions): Promise<TelemetrySdk> {
  const { serviceName = "meshcache", serviceVersion, logger, threads } = options;
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
  const own = { [ATTR_SERVICE_NAME]: serviceName, [ATTR_SERVICE_VERSION]: serviceVersion };
  const providers = await startProviders(logger, {
    resource: defaultResource().merge(resourceFromAttributes(own)),
    detectors: DETECTORS,
    metricReaders: [pull, ...(await pushReaders(env, sources))],
  });
  const serializer = new PrometheusSerializer("", false, undefined, false, true);
  const collect = async () => {
    const { resourceMetrics, errors } = await pull.collect();
    await resourceMetrics.resource.waitForAsyncAttributes?.();
    for (const error of errors) logger.warn({ err: error }, "an instrument could not be read");
    return resourceMetrics;
  };
  return {
    ...endsWithin(providers, logger),
    callDurations,
    metricsText: async () => serializer.serialize(await collect()),
    resource: async () => (await collect()).resource.attributes,
  };
}

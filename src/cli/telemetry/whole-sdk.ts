/** All of the OpenTelemetry SDK, as the standard OTEL_* variables configure it. */
import { metrics, trace } from "@opentelemetry/api";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { type Environment, wantsExport } from "./environment.ts";
import type { ProviderOptions, Providers } from "./providers.ts";

/** `constructed`: is called between the making of the SDK, which logs as it likes, and its start. */
export function startWholeSdk(
  env: Environment,
  { resource, detectors, metricReaders }: ProviderOptions,
  constructed: () => void,
): Providers {
  // An empty list of detectors is that of a thread, whose resource is known.
  const isNamed = Boolean(env.OTEL_NODE_RESOURCE_DETECTORS) && detectors.length > 0;
  const sdk = new NodeSDK({
    resource,
    ...(!isNamed && { resourceDetectors: [...detectors] }),
    metricReaders: [...metricReaders],
    logRecordProcessors: [],
    // The default of the specification is an endpoint on this host. Here nothing is sent unless a variable says so.
    ...(!wantsExport(env, "TRACES") && { spanProcessors: [] }),
  });
  constructed();
  sdk.start();
  return {
    tracerProvider: trace.getTracerProvider(),
    meterProvider: metrics.getMeterProvider(),
    shutdown: () => sdk.shutdown(),
  };
}

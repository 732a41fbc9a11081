/** The SDK of a worker thread, which exports its spans. Its metrics are exported by the main thread. */
import type { Attributes } from "@opentelemetry/api";
import { resourceFromAttributes } from "@opentelemetry/resources";
import type { ScopeMetrics } from "@opentelemetry/sdk-metrics";
import { createCallDurations } from "../../telemetry/call-durations.ts";
import type { Logger } from "../../telemetry/telemetry.ts";
import { isDisabled } from "./environment.ts";
import { createPullReader } from "./metric-readers.ts";
import { startProviders } from "./providers.ts";
import { disabledSdk, endsWithin, type Sdk } from "./sdk.ts";

export interface ThreadSdk extends Sdk {
  /** All metrics of this thread, since its start. */
  collect(): Promise<readonly ScopeMetrics[]>;
}

export interface ThreadSdkOptions {
  readonly logger: Logger;
  /** The resource of the main thread. */
  readonly resource: Attributes;
}

export async function startThreadSdk({ logger, resource }: ThreadSdkOptions): Promise<ThreadSdk> {
  if (isDisabled(process.env)) return { ...disabledSdk(), collect: async () => [] };
  const callDurations = createCallDurations();
  const pull = createPullReader({ callDurations });
  const providers = await startProviders(logger, {
    resource: resourceFromAttributes(resource),
    detectors: [],
    metricReaders: [pull],
  });
  return {
    ...endsWithin(providers, logger),
    callDurations,
    async collect() {
      const { resourceMetrics, errors } = await pull.collect();
      for (const error of errors) logger.warn({ err: error }, "an instrument could not be read");
      return resourceMetrics.scopeMetrics;
    },
  };
}

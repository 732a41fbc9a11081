/** What the standard OTEL_* variables ask for, where the SDK's own reading of them is not used. */
import { envDetector, hostDetector, serviceInstanceIdDetector } from "@opentelemetry/resources";
import type { NodeSDKConfiguration } from "@opentelemetry/sdk-node";

export type Environment = Readonly<NodeJS.ProcessEnv>;

export function isDisabled(env: Environment): boolean {
  return env.OTEL_SDK_DISABLED?.trim().toLowerCase() === "true";
}

/** Without the detector of the process, unless a variable names detectors: it exports the command line. */
export function resourceDetectorsFor(
  env: Environment,
): Pick<NodeSDKConfiguration, "resourceDetectors"> | object {
  if (env.OTEL_NODE_RESOURCE_DETECTORS) return {};
  return { resourceDetectors: [serviceInstanceIdDetector, hostDetector, envDetector] };
}

/** The default of the specification is an endpoint on this host. Here nothing is sent unless a variable says so. */
export function spanProcessorsFor(env: Environment): Pick<NodeSDKConfiguration, "spanProcessors"> | object {
  return wantsExport(env, "TRACES") ? {} : { spanProcessors: [] };
}

/** Whether a variable names an exporter or an endpoint for the signal. */
export function wantsExport(env: Environment, signal: "TRACES" | "METRICS"): boolean {
  const exporters = env[`OTEL_${signal}_EXPORTER`]?.trim();
  if (exporters === "none") return false;
  return Boolean(
    exporters || env.OTEL_EXPORTER_OTLP_ENDPOINT || env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`],
  );
}

/** A variable that is a positive number. */
export function positive(text: string | undefined): number | undefined {
  const value = Number(text);
  return value > 0 ? value : undefined;
}

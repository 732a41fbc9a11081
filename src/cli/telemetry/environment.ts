/** What the standard OTEL_* variables ask for, where the SDK's own reading of them is not used. */

export type Environment = Readonly<NodeJS.ProcessEnv>;

export function isDisabled(env: Environment): boolean {
  return env.OTEL_SDK_DISABLED?.trim().toLowerCase() === "true";
}

/** Whether more is asked for than the metrics of this process, with or without an exporter. */
export function asksForWholeSdk(env: Environment): boolean {
  return (
    wantsExport(env, "TRACES") ||
    Boolean(env.OTEL_NODE_RESOURCE_DETECTORS || env.OTEL_NODE_EXPERIMENTAL_SDK_METRICS)
  );
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

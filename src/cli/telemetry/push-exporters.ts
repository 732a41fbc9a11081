/** The exporters of metrics that the environment can name. */
import { OTLPMetricExporter as GrpcMetricExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPMetricExporter as JsonMetricExporter } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPMetricExporter as ProtobufMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { ConsoleMetricExporter, type PushMetricExporter } from "@opentelemetry/sdk-metrics";
import type { Environment } from "./environment.ts";

/** Undefined for "prometheus", which the admin port serves, and for unknown names. */
export function pushExporter(name: string, env: Environment): PushMetricExporter | undefined {
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

/** The cache server of the example, as `meshcache serve` starts it. It reports its spans to the parent process. */
import { metrics, trace } from "@opentelemetry/api";
import { createServer } from "../src/server/index.ts";
import { createLogger } from "../src/telemetry/logger.ts";
import { createTelemetry } from "../src/telemetry/otel-telemetry.ts";
import { report, startTracing } from "./tracing.ts";

startTracing("cache");
const server = createServer({
  listen: "127.0.0.1:0",
  telemetry: createTelemetry({
    tracerProvider: trace.getTracerProvider(),
    meterProvider: metrics.getMeterProvider(),
    logger: createLogger({ level: "warn" }),
  }),
});
report({ kind: "listening", address: await server.start() });

/** A worker thread of `meshcache serve`: a server with the process's telemetry and log. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Attributes } from "@opentelemetry/api";
import type { ThreadData } from "../../server/workers/messages.ts";
import { runServerThread } from "../../server/workers/server-thread.ts";
import { createLogger, type LogLevel } from "../../telemetry/logger.ts";
import { createTelemetry } from "../../telemetry/otel-telemetry.ts";
import { observedToTheEnd } from "../telemetry/observed-to-the-end.ts";
import { startThreadSdk, TELEMETRY_FLUSH_MS } from "../telemetry/telemetry-sdk.ts";
import { answerMetrics } from "../telemetry/thread-metrics/collection.ts";

/** What the main thread gives it beside what every server thread gets. */
export interface ThreadServerExtra {
  readonly logLevel: LogLevel;
  readonly resource: Attributes;
  readonly metrics: MessagePort;
}

export function runThreadServer(): void {
  if (parentPort === null) throw new Error("there is no thread to serve");
  const data: ThreadData<ThreadServerExtra> = workerData;
  const { logLevel, resource, metrics } = data.extra;
  // Writes to the descriptor itself: lines that went through the main thread would be lost with it.
  const logger = createLogger({ level: logLevel, fields: { worker: data.thread } });
  const sdk = startThreadSdk({ logger, resource });
  const tellLast = answerMetrics(metrics, sdk.collect);
  runServerThread({
    data,
    port: parentPort,
    telemetry: observedToTheEnd(createTelemetry({ ...sdk, logger })),
    async finish() {
      await tellLast();
      await sdk.shutdown(TELEMETRY_FLUSH_MS);
    },
  });
}

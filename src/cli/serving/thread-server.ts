/** Runs a server in a worker thread of `meshcache serve`, with the telemetry and the log of the process. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { Attributes } from "@opentelemetry/api";
import type { ThreadData } from "../../server/workers/messages.ts";
import { runServerThread } from "../../server/workers/server-thread.ts";
import { createLogger, type LogLevel } from "../../telemetry/logger.ts";
import { createTelemetry } from "../../telemetry/otel-telemetry.ts";
import { observedToTheEnd } from "../telemetry/observed-to-the-end.ts";
import { TELEMETRY_FLUSH_MS } from "../telemetry/sdk.ts";
import { answerMetrics } from "../telemetry/thread-metrics/collection.ts";
import { startThreadSdk } from "../telemetry/thread-sdk.ts";

/** What the main thread passes to it besides the data of every server thread. */
export interface ThreadServerExtra {
  readonly logLevel: LogLevel;
  readonly resource: Attributes;
  readonly metrics: MessagePort;
}

export async function runThreadServer(): Promise<void> {
  if (parentPort === null) throw new Error("this must run in a worker thread");
  const data: ThreadData<ThreadServerExtra> = workerData;
  const { logLevel, resource, metrics } = data.extra;
  // Writes to the file descriptor: lines that go through the main thread could be lost at its end.
  const logger = createLogger({ level: logLevel, fields: { worker: data.thread } });
  const sdk = await startThreadSdk({ logger, resource });
  const sendLast = answerMetrics(metrics, sdk.collect, (error) =>
    logger.warn({ err: error }, "the metrics of the thread could not be collected"),
  );
  runServerThread({
    data,
    port: parentPort,
    telemetry: observedToTheEnd(createTelemetry({ ...sdk, logger })),
    async finish() {
      await sendLast();
      await sdk.shutdown(TELEMETRY_FLUSH_MS);
    },
  });
}

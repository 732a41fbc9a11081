/** The default entry of a worker thread: a server without telemetry. */
import { parentPort, workerData } from "node:worker_threads";
import { createNoTelemetry } from "../../telemetry/no-telemetry.ts";
import type { ThreadData } from "./messages.ts";
import { runServerThread } from "./server-thread.ts";

const data: ThreadData = workerData;
if (parentPort === null) throw new Error("this module is the entry of a worker thread");
runServerThread({ data, port: parentPort, telemetry: createNoTelemetry() });

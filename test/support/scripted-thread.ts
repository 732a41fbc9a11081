/** The entry of a worker thread that reports its calls to a test, or dies when the test wants it to. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { ThreadData } from "../../src/server/workers/messages.ts";
import { runServerThread } from "../../src/server/workers/server-thread.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";

export interface Script {
  /** Receives the name of the method of each call. */
  readonly calls?: MessagePort;
  /** When and how the thread dies: at its start, or at a call of this method. */
  readonly death?: { readonly at: "birth" | "Get"; readonly by: "throw" | "exit" | "memory" | "rejection" };
}

const data: ThreadData<Script> = workerData;
const { calls, death } = data.extra;
if (parentPort === null) throw new Error("this module is the entry of a worker thread");

function dieAt(place: string): void {
  if (death === undefined || !place.endsWith(death.at)) return;
  if (death.by === "exit") process.exit(7);
  // Thrown outside of the call, where nothing catches it.
  if (death.by === "rejection") void Promise.reject(new Error("a planted rejection"));
  if (death.by === "throw") setImmediate(() => raise("a planted fault"));
  if (death.by === "memory") setImmediate(() => hoard());
}

function raise(message: string): never {
  throw new Error(message);
}

function hoard(): void {
  const kept: number[][] = [];
  for (;;) kept.push(new Array(1_000_000).fill(kept.length));
}

if (death?.at === "birth" && death.by === "throw") raise("a planted fault");
dieAt("birth");
const silent = createNoTelemetry();
runServerThread({
  data,
  port: parentPort,
  telemetry: {
    ...silent,
    startCall(method, header) {
      calls?.postMessage(method);
      dieAt(method);
      return silent.startCall(method, header);
    },
  },
});

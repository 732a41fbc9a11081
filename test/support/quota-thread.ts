/** A worker thread that takes connections until none are left, at the same time as other threads. */
import { parentPort, workerData } from "node:worker_threads";
import type { TransportLimits } from "../../src/server/limits/transport-limits.ts";
import { attachBounds } from "../../src/server/workers/shared-bounds.ts";

export interface QuotaThreadData {
  readonly memory: SharedArrayBuffer;
  readonly thread: number;
  readonly limits: TransportLimits;
  /** How many threads are ready. No thread begins before all are. */
  readonly ready: SharedArrayBuffer;
  readonly threads: number;
}

const data: QuotaThreadData = workerData;
const { connections } = attachBounds(data.memory, data.thread, data.limits);
const ready = new Int32Array(data.ready);
Atomics.add(ready, 0, 1);
while (Atomics.load(ready, 0) < data.threads);
let taken = 0;
while (connections.take()) taken += 1;
parentPort?.postMessage(taken);

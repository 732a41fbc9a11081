/**
 * Burns processor time in a thread of a server, in slices between which the thread does its own work: what is imported first
 * by a server that measurement.ts starts. It waits for courses on a local socket.
 */
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { text } from "node:stream/consumers";
import { threadId } from "node:worker_threads";
import { type Course, dueMs } from "./processor-course.ts";

/** What to burn, from this time of the wall clock on. */
export interface BurnOrder {
  readonly sinceMs: number;
  readonly course: Course;
}

export const BURN_SOCKET = "MESH_TEST_BURN_SOCKET";
/** Of the main thread, 0, or of a worker, from 1. */
export const socketOf = (path: string, thread: number): string => `${path}.${thread}`;

/** The thread serves others this often. */
const SLICE_MS = 1;
const PAUSE_MS = 5;

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function burn({ sinceMs, course }: BurnOrder): void {
  let burntMs = 0;
  const step = (): void => {
    const due = dueMs(course, Date.now() - sinceMs);
    if (due === undefined) return;
    if (burntMs >= due) {
      setTimeout(step, PAUSE_MS);
      return;
    }
    const before = threadMs();
    let sliceMs = 0;
    while (sliceMs < SLICE_MS) {
      for (let turn = 0; turn < 5_000; turn++) Math.sqrt(turn);
      sliceMs = threadMs() - before;
    }
    burntMs += sliceMs;
    setImmediate(step);
  };
  step();
}

const path = process.env[BURN_SOCKET];
if (path !== undefined) {
  const socket = socketOf(path, threadId);
  // The launcher replaces its program, which leaves the file behind.
  rmSync(socket, { force: true });
  const orders = createServer((connection) => {
    text(connection).then(
      (order) => burn(JSON.parse(order)),
      () => {},
    );
  });
  orders.listen(socket).unref();
}

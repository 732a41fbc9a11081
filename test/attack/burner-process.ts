/**
 * Burns processor time and does nothing else, in the place of an attacker, or of the helpers of a server: `node
 * burner-process.ts SINCE_MS COURSE`. COURSE: what it is to have burnt at the end of each slot, its own start included, in
 * milliseconds; the first slot begins at SINCE_MS of the wall clock. The time is that of the processor, whatever others take
 * of it.
 */
import { dueMs } from "./processor-course.ts";

const sinceMs = Number(process.argv[2]);
const course = (process.argv[3] ?? "").split(",").map(Number);
const PAUSE_MS = 5;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function burntMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

for (;;) {
  const due = dueMs(course, Date.now() - sinceMs);
  if (due === undefined) break;
  if (burntMs() < due) for (let turn = 0; turn < 10_000; turn++) Math.sqrt(turn);
  else Atomics.wait(sleeper, 0, 0, PAUSE_MS);
}

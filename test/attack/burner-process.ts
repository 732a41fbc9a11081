/**
 * Burns processor time and does nothing else, in the place of an attacker, or of the server that serves one: `node
 * burner-process.ts SINCE_MS SLOT_MS COURSE`. COURSE: what it is to have burnt at the end of each slot, its own start
 * included, in milliseconds; the first slot begins at SINCE_MS of the wall clock. The time is that of the processor, whatever
 * others take of it.
 */
const [sinceMs = 0, slotMs = 1] = process.argv.slice(2, 4).map(Number);
const course = (process.argv[4] ?? "").split(",").map(Number);
const PAUSE_MS = 5;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

function burntMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function dueMs(passedMs: number): number {
  const slot = Math.floor(passedMs / slotMs);
  const [before = 0, after = before] = [course[slot - 1] ?? 0, course[slot]];
  return before + (after - before) * (passedMs / slotMs - slot);
}

for (;;) {
  const passedMs = Date.now() - sinceMs;
  if (passedMs >= course.length * slotMs) break;
  if (burntMs() < dueMs(passedMs)) for (let turn = 0; turn < 10_000; turn++) Math.sqrt(turn);
  else Atomics.wait(sleeper, 0, 0, PAUSE_MS);
}

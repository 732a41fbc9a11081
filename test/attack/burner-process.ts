/**
 * Burns a share of a core and does nothing else, in the place of an attacker, or of the server that serves one: `node
 * burner-process.ts SHARE SECONDS`. The share is of processor time, whatever others take of the core.
 */
const [share = 0, seconds = 0] = process.argv.slice(2).map(Number);
const PERIOD_MS = 10;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const before = process.threadCpuUsage();
const burntMs = (): number => {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
};
const beganMs = performance.now();
let passedMs = 0;
while (passedMs < 1_000 * seconds) {
  const dueMs = Math.min(share, 1) * (PERIOD_MS + passedMs);
  if (burntMs() < dueMs) for (let turn = 0; turn < 10_000; turn++) Math.sqrt(turn);
  else Atomics.wait(sleeper, 0, 0, PERIOD_MS);
  passedMs = performance.now() - beganMs;
}

/** What an attacker is compared with: burns the same share of a core and does nothing else: `node burner-process.ts SHARE SECONDS`. */
const [share = 0, seconds = 0] = process.argv.slice(2).map(Number);
const PERIOD_MS = 10;
const endMs = performance.now() + 1_000 * seconds;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
while (performance.now() < endMs) {
  const beganMs = performance.now();
  while (performance.now() - beganMs < PERIOD_MS * Math.min(share, 1)) Math.sqrt(beganMs);
  const restMs = PERIOD_MS - (performance.now() - beganMs);
  if (restMs > 0) Atomics.wait(sleeper, 0, 0, restMs);
}

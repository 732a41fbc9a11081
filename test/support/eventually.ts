/** Waits until an assertion holds. */
import { vi } from "vitest";

/** Less than the timeout of a test, so that the assertion is what fails. */
const PATIENCE_MS = 100_000;

/** Repeats `check` until it does not throw. It fails with its last error, long after any busy host would have answered. */
export function eventually<Result>(check: () => Result | Promise<Result>, intervalMs = 10): Promise<Result> {
  return vi.waitFor(check, { timeout: PATIENCE_MS, interval: intervalMs });
}

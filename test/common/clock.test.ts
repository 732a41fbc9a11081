/** The clock of a real process. */
import { expect, it } from "vitest";
import { systemClock } from "../../src/common/clock.ts";

it("has the same time in milliseconds and in microseconds", () => {
  const beforeMs = systemClock.nowMs();
  const micros = systemClock.nowMicros();
  const afterMs = systemClock.nowMs();
  expect(micros).toBeGreaterThanOrEqual(beforeMs * 1_000);
  expect(micros).toBeLessThan((afterMs + 1) * 1_000);
});

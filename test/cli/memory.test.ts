import { describe, expect, it } from "vitest";
import { fillServer } from "../support/filled-server.ts";

const MIB = 2 ** 20;

describe.runIf(process.platform === "linux")("L6: a server filled six times over its budget", () => {
  it.each([1, 2])(
    "with %i workers stays below the computed ceiling",
    { timeout: 60_000 },
    async (workers) => {
      const { idleBytes, peakBytes, sized } = await fillServer({ workers, budgetBytes: 32 * MIB, times: 6 });
      expect(idleBytes).toBeLessThan(sized.idleBytes);
      expect(peakBytes).toBeLessThan(sized.ceilingBytes);
      // It did fill the budget.
      expect(peakBytes - idleBytes).toBeGreaterThan(32 * MIB);
    },
  );
});

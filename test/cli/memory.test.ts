import { describe, expect, it } from "vitest";
import { fillServer } from "../support/filled-server.ts";

const BUDGET_BYTES = 2 ** 24;

describe.runIf(process.platform === "linux")("L6: a server filled six times over its budget", () => {
  it("stays below the computed ceiling", async () => {
    const { idleBytes, peakBytes, sized } = await fillServer(
      { workers: 2, storeBudgetBytes: BUDGET_BYTES },
      6,
    );
    expect(idleBytes).toBeLessThan(sized.idleBytes);
    expect(peakBytes).toBeLessThan(sized.ceilingBytes);
    // It did fill the budget.
    expect(peakBytes - idleBytes).toBeGreaterThan(BUDGET_BYTES);
  });
});

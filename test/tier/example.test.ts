import { describe, expect, it } from "vitest";
import { runTierExample } from "../../examples/tier.ts";
import { requireEngine } from "../support/engine/programs.ts";

describe.runIf(requireEngine("redis"))("the example of the tier", () => {
  it("goes on when a primary is killed, and reads nothing stale", async () => {
    const lines: string[] = [];
    const { staleReads, written, read, outageMs } = await runTierExample((line) => lines.push(line), 300);
    expect(staleReads).toEqual([]);
    expect(Math.min(written, read, outageMs)).toBeGreaterThan(0);
    expect(lines.filter((line) => line.startsWith("KILLED"))).toHaveLength(1);
  });
});

/** The records of principals in shared memory: each name has one, whichever thread asks. */
import { describe, expect, it } from "vitest";
import { createPrincipalMemory, PrincipalTable } from "../../src/security/metering/principal-table.ts";

describe("PrincipalTable", () => {
  it("gives every thread the same record for a name, and each name its own", () => {
    const memory = createPrincipalMemory();
    const [one, other] = [new PrincipalTable(memory), new PrincipalTable(memory)];
    const names = Array.from({ length: 2_000 }, (_, at) => `principal-${at}`);
    for (const [at, name] of names.entries()) one.recordOf(name).operationsDue[0] = BigInt(at);
    for (const [at, name] of names.entries()) expect(other.recordOf(name).operationsDue[0]).toBe(BigInt(at));
  });

  it("counts for this thread alone what a full table has no room for", () => {
    const memory = createPrincipalMemory();
    new BigInt64Array(memory).fill(5n);
    const table = new PrincipalTable(memory);
    table.recordOf("late").bytesDue[0] = 7n;
    expect(table.recordOf("late").bytesDue[0]).toBe(0n);
  });
});

/** Memory of messages and large values is used again, and what the pool keeps is bounded. */
import { beforeEach, describe, expect, it, vi } from "vitest";
import { STEP_BYTES } from "../../../src/codec/framing/message-memory.ts";

const MIB = 2 ** 20;
const bytesOf = (memories: readonly Buffer[]): number =>
  memories.reduce((sum, memory) => sum + memory.length, 0);

/** Fresh modules, whose pools are empty. */
async function freshPool() {
  vi.resetModules();
  const { returnMemory, takeMemory } = await import("../../../src/codec/framing/message-memory.ts");
  const { PooledValues } = await import("../../../src/codec/framing/pooled-values.ts");
  return { returnMemory, takeMemory, PooledValues };
}

/** What is given out again of memory of these sizes that was returned. */
async function keptOf(sizes: readonly number[]): Promise<{ kept: Buffer[]; taken: Buffer[] }> {
  const { returnMemory, takeMemory } = await freshPool();
  const burst = sizes.map(takeMemory);
  for (const memory of burst) returnMemory(memory);
  const taken = [...sizes, ...sizes].map(takeMemory);
  return { kept: taken.filter((memory) => burst.includes(memory)), taken };
}

describe("The memory of messages", () => {
  it("keeps at most 8 MiB in pieces of up to 1 MiB", async () => {
    const sizes = Array.from({ length: 120 }, (_, index) => STEP_BYTES * (1 + (index % 3)));
    const { kept, taken } = await keptOf(sizes);
    expect(new Set(taken).size).toBe(taken.length);
    expect(bytesOf(kept)).toBeGreaterThan(8 * MIB - 3 * STEP_BYTES);
    expect(bytesOf(kept)).toBeLessThanOrEqual(8 * MIB);
  });

  it("keeps at most 16 MiB in larger pieces, which push no small ones out", async () => {
    const { kept } = await keptOf([STEP_BYTES, ...Array(20).fill(4 * MIB), STEP_BYTES]);
    expect(bytesOf(kept)).toBe(16 * MIB + 2 * STEP_BYTES);
  });

  it("keeps nothing of more than 5 MiB", async () => {
    const { kept } = await keptOf([5 * MIB + 1, 5 * MIB]);
    expect(bytesOf(kept)).toBe(5 * MIB);
  });

  it("frees the rest at once", async () => {
    const { returnMemory, takeMemory } = await freshPool();
    const memories = [...Array<number>(6).fill(4 * MIB), 6 * MIB].map(takeMemory);
    for (const memory of memories) returnMemory(memory);
    expect(memories.map(({ length }) => length > 0)).toEqual([false, false, true, true, true, true, false]);
  });

  it("gives out no more than about twice what was asked for", async () => {
    const { returnMemory, takeMemory } = await freshPool();
    for (const bytes of [4 * MIB, MIB, 300_000]) returnMemory(takeMemory(bytes));
    expect(takeMemory(10).length).toBe(STEP_BYTES);
    expect(takeMemory(MIB + 100).length).toBeLessThanOrEqual(2 * (MIB + 100) + STEP_BYTES);
  });
});

describe("Pooled values", () => {
  let pool: Awaited<ReturnType<typeof freshPool>>;
  beforeEach(async () => {
    pool = await freshPool();
  });

  it("get memory that is used again once they are released", () => {
    const values = new pool.PooledValues();
    const first = values.take(MIB);
    const second = values.take(MIB);
    expect([first?.length, second?.length]).toEqual([MIB, MIB]);
    expect(first?.buffer).not.toBe(second?.buffer);
    values.release();
    const again = [values.take(MIB)?.buffer, values.take(MIB)?.buffer];
    expect(new Set(again)).toEqual(new Set([first?.buffer, second?.buffer]));
  });

  it("are returned once, however often they are released", () => {
    const values = new pool.PooledValues();
    values.take(MIB);
    values.release();
    values.release();
    expect(values.take(MIB)?.buffer).not.toBe(values.take(MIB)?.buffer);
  });

  it("leave small values alone", () => {
    expect(new pool.PooledValues().take(STEP_BYTES - 1)).toBeUndefined();
  });
});

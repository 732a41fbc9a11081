import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../../../src/common/random.ts";
import { BUDGET_MIN_BYTES, resolveGeometry } from "../../../../src/store/tables/offheap/geometry.ts";
import { Ghosts } from "../../../../src/store/tables/offheap/ghosts.ts";
import { Memory } from "../../../../src/store/tables/offheap/memory.ts";

function createGhosts(budgetBytes: number): Ghosts {
  const geometry = resolveGeometry(budgetBytes);
  return new Ghosts(new Memory(new SharedArrayBuffer(geometry.bufferBytes)), geometry);
}

function hashesOf(count: number): readonly number[] {
  const rng = createSeededRng(11);
  return Array.from({ length: count }, () => Math.floor(rng.fraction() * 2 ** 32));
}

describe("Ghosts.recall()", () => {
  it("recalls a remembered hash once", () => {
    const ghosts = createGhosts(BUDGET_MIN_BYTES);
    ghosts.remember(0);
    ghosts.remember(0xffff_ffff);
    expect(ghosts.recall(0, 100)).toBe(true);
    expect(ghosts.recall(0, 100)).toBe(false);
    expect(ghosts.recall(0xffff_ffff, 100)).toBe(true);
    expect(ghosts.recall(0xffff_fffe, 100)).toBe(false);
  });

  it("does not recall a ghost older than the given number", () => {
    const ghosts = createGhosts(2 ** 20);
    const hashes = hashesOf(1_000);
    for (const hash of hashes) ghosts.remember(hash);
    const recalled = hashes.map((hash) => ghosts.recall(hash, 300));
    expect(recalled.slice(0, 690)).not.toContain(true);
    expect(recalled.slice(710)).not.toContain(false);
  });

  it("replaces the oldest when it is full, and still works when its clock has wrapped", () => {
    const ghosts = createGhosts(BUDGET_MIN_BYTES);
    const hashes = hashesOf(200_000);
    for (const hash of hashes) ghosts.remember(hash);
    const recalled = hashes.map((hash) => ghosts.recall(hash, Infinity));
    expect(recalled.slice(-100).filter(Boolean).length).toBeGreaterThan(85);
    expect(recalled.slice(0, -1_000).filter(Boolean).length).toBeLessThan(200);
  });
});

/** Runs some hundred seeds of the simulation, and proves that a seed gives the same run again. */
import { describe, expect, it } from "vitest";
import { runSeeds } from "./seeds.ts";
import { runSeed } from "./simulation.ts";

const SEEDS = 300;

describe("the simulation", () => {
  it(`keeps every promise in ${SEEDS} seeds`, { timeout: 600_000 }, async () => {
    const { failures, counts } = await runSeeds({ from: 0, seeds: SEEDS, step: 1, stopAtFirst: false });
    expect(failures, "replay one with: npm run simulate -- --seed <seed>").toEqual([]);
    expect(counts.undecided).toBe(0);
    // Every kind of check must have been reached.
    expect(counts.nearReads / SEEDS).toBeGreaterThan(20);
    expect(counts.remoteReads / SEEDS).toBeGreaterThan(20);
    expect(counts.registerOperations / SEEDS).toBeGreaterThan(100);
    expect(counts.increments / SEEDS).toBeGreaterThan(5);
    expect(counts.listings / SEEDS).toBeGreaterThan(1);
    expect(counts.restarts).toBeGreaterThan(SEEDS / 10);
    expect(counts.continued).toBeGreaterThan(SEEDS / 20);
    expect(counts.forks).toBeGreaterThan(SEEDS / 50);
    expect(counts.gaps).toBeGreaterThan(SEEDS / 10);
    expect(counts.retries).toBeGreaterThan(SEEDS / 10);
  });

  it("has the same history for the same seed, and another for another", async () => {
    const hashes: string[] = [];
    for (const seed of [1, 2, 3, 7, 11]) {
      const first = await runSeed(seed);
      const second = await runSeed(seed);
      expect(second.hash, `seed ${seed}`).toBe(first.hash);
      expect(second.counts).toEqual(first.counts);
      hashes.push(first.hash);
    }
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});

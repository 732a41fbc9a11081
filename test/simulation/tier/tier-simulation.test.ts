/** Runs some seeds of the simulation of the shared tier, and proves that a seed gives the same run again. */
import { describe, expect, it } from "vitest";
import { runSeeds } from "../seeds.ts";
import { runTierSeed } from "./tier-simulation.ts";

const SEEDS = 30;

describe("the simulation of the shared tier", () => {
  it(`keeps every promise in ${SEEDS} seeds`, { timeout: 600_000 }, async () => {
    const range = { from: 0, seeds: SEEDS, step: 1, stopAtFirst: false, isTier: true };
    const { failures, counts } = await runSeeds(range);
    expect(failures, "replay one with: npm run simulate -- --tier --seed <seed>").toEqual([]);
    expect(counts.undecided).toBe(0);
    // Every kind of check must have been reached.
    expect(counts.nearReads / SEEDS).toBeGreaterThan(20);
    expect(counts.remoteReads / SEEDS).toBeGreaterThan(20);
    expect(counts.registerOperations / SEEDS).toBeGreaterThan(100);
    expect(counts.increments / SEEDS).toBeGreaterThan(2);
    expect(counts.listings).toBeGreaterThan(0);
    // Claims of shards beyond the first, and elections.
    expect(counts.restarts).toBeGreaterThan(SEEDS / 2);
    expect(counts.forks).toBeGreaterThan(SEEDS / 4);
    expect(counts.gaps).toBeGreaterThan(SEEDS / 4);
  });

  it("has the same history for the same seed, and another for another", { timeout: 60_000 }, async () => {
    const hashes: string[] = [];
    for (const seed of [1, 2]) {
      const first = await runTierSeed(seed);
      const second = await runTierSeed(seed);
      expect(second.hash, `seed ${seed}`).toBe(first.hash);
      expect(second.counts).toEqual(first.counts);
      hashes.push(first.hash);
    }
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});

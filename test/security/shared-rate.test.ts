/** The rate that all threads of a process share: what it lets through, and when it says that more may come. */
import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import { type RateLimits, SharedRate } from "../../src/security/metering/shared-rate.ts";
import { ManualClock } from "../support/manual-clock.ts";

function createThreads(count: number, limits: RateLimits) {
  const clock = new ManualClock();
  const due = new BigInt64Array(new SharedArrayBuffer(8));
  const threads = Array.from({ length: count }, () => new SharedRate(due, limits, clock));
  const [first = new SharedRate(due, limits, clock)] = threads;
  return { clock, threads, first };
}

/** How many events of one unit are admitted now, until one is not. */
function admitted(rate: SharedRate): number {
  for (let count = 0; ; count += 1) {
    if (rate.waitMs() > 0) return count;
    rate.spend(1);
  }
}

describe("SharedRate", () => {
  it("lets a burst through, then the rate, and says when the next unit is due", () => {
    const { clock, first } = createThreads(1, { perSecond: 10, burst: 3 });
    expect(admitted(first)).toBe(3);
    expect(first.waitMs()).toBeCloseTo(100);
    clock.advance(99);
    expect(first.waitMs()).toBeCloseTo(1);
    clock.advance(1);
    expect(admitted(first)).toBe(1);
    clock.advance(100_000);
    expect(admitted(first)).toBe(3);
  });

  it.each([1, 2, 4])("lets no more through %i threads than through one", (count) => {
    const seed = 20 + count;
    const rng = createSeededRng(seed);
    const { clock, threads } = createThreads(count, { perSecond: 50_000, burst: 10_000 });
    let total = 0;
    for (let elapsedMs = 0; elapsedMs <= 1_000; elapsedMs += 5) {
      const from = Math.floor(rng.fraction() * count);
      for (let at = 0; at < count; at += 1) {
        const rate = threads[(from + at) % count];
        for (let event = 0; event < 400 && rate?.waitMs() === 0; event += 1) {
          rate.spend(1);
          total += 1;
        }
      }
      expect(total, `seed ${seed}, after ${elapsedMs} ms`).toBeLessThanOrEqual(10_000 + 50 * elapsedMs);
      clock.advance(5);
    }
    expect(total, `seed ${seed}`).toBeGreaterThan(0.98 * 60_000);
  });

  it("admits an event that takes more than the burst, and waits until that is paid for", () => {
    const { clock, threads } = createThreads(2, { perSecond: 1_000, burst: 100 });
    const [one, other] = threads;
    expect(one?.waitMs()).toBe(0);
    one?.spend(5_000);
    expect(other?.waitMs()).toBeGreaterThan(4_890);
    expect(other?.waitMs()).toBeLessThan(4_905);
    clock.advance(4_905);
    expect(other?.waitMs()).toBe(0);
  });

  it("remembers at most a burst of what it does not refuse", () => {
    const { clock, first } = createThreads(1, { perSecond: 100, burst: 50 });
    for (let event = 0; event < 10_000; event += 1) first.count(1);
    expect(first.waitMs()).toBeCloseTo(510, 0);
    clock.advance(1_000);
    expect(admitted(first)).toBe(50);
  });

  it("follows new limits at once", () => {
    const { clock, first } = createThreads(1, { perSecond: 1, burst: 1 });
    expect(admitted(first)).toBe(1);
    first.follow({ perSecond: 1_000, burst: 10 });
    clock.advance(1_010);
    expect(admitted(first)).toBe(10);
    first.follow({ perSecond: 1, burst: 1 });
    expect(admitted(first)).toBe(0);
  });

  it("serves every rate that a policy may name", () => {
    for (const perSecond of [1, 3, 7, 999, 12_345_678, 10 ** 9, 2 ** 40]) {
      const { clock, first } = createThreads(1, { perSecond, burst: perSecond });
      let units = 0;
      for (let step = 0; step < 40; step += 1) {
        if (first.waitMs() === 0) {
          first.spend(Math.ceil(perSecond / 8));
          units += Math.ceil(perSecond / 8);
        }
        clock.advance(250);
      }
      // A burst, ten seconds, and what the last event took beyond.
      expect(units, `${perSecond}/s`).toBeLessThanOrEqual(perSecond * 11 + Math.ceil(perSecond / 8));
      expect(units, `${perSecond}/s`).toBeGreaterThanOrEqual(Math.min(5 * perSecond, 40));
    }
  });
});

import { expect, it } from "vitest";
import { createRateLimiter, createTokenBucket } from "../../../src/server/limits/rate-limiter.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** How many are admitted before the first one that is not, up to 1,000. */
function admitted(admits: () => boolean): number {
  let count = 0;
  while (count < 1_000 && admits()) count += 1;
  return count;
}

it("a rate limiter admits so many in each second, from the first one on", () => {
  const clock = new ManualClock();
  const admits = createRateLimiter(5, clock);
  expect(admitted(admits)).toBe(5);
  clock.advance(999);
  expect(admitted(admits)).toBe(0);
  clock.advance(1);
  expect(admitted(admits)).toBe(5);
});

it("a token bucket admits a burst, then so many a second, and never more than a burst", () => {
  const clock = new ManualClock();
  const admits = createTokenBucket(100, 33, clock);
  expect(admitted(admits)).toBe(100);
  expect(admits()).toBe(false);
  clock.advance(1_000_000);
  expect(admitted(admits)).toBe(100);
});

it("a token bucket counts parts of a token, however often it is asked", () => {
  const clock = new ManualClock();
  const admits = createTokenBucket(1, 10, clock);
  expect(admits()).toBe(true);
  let count = 0;
  for (let ms = 0; ms < 1_000; ms += 100) {
    clock.advance(100);
    if (admits()) count += 1;
  }
  expect(count).toBe(10);
});

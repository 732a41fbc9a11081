/**
 * Randomness as a parameter: ids, tokens and jitter come from an `Rng`, so that a test can replay them from a seed.
 */
import { getRandomValues } from "node:crypto";

export interface Rng {
  /** An unsigned 64-bit number, never 0: ids and tokens use 0 for "none". */
  uint64(): bigint;
  /** A number in [0, 1). */
  fraction(): number;
}

/** A call for random bytes costs ten times what a lease does, so one is made for many ids. */
const drawn = new BigUint64Array(128);
let drawnLeft = 0;

/**
 * Ids are cryptographically random, since whoever guesses a lease token can use it. Fractions, for jitter, are not.
 */
export const systemRng: Rng = {
  uint64() {
    if (drawnLeft === 0) {
      getRandomValues(drawn);
      drawnLeft = drawn.length;
    }
    drawnLeft -= 1;
    const id = drawn[drawnLeft] ?? 0n;
    // Nobody who reads this memory later finds an id that is in use.
    drawn[drawnLeft] = 0n;
    return id || this.uint64();
  },
  fraction: () => Math.random(),
};

/** The same numbers for the same seed (mulberry32, Tommy Ettinger, public domain). Not for tokens. */
export function createSeededRng(seed: number): Rng {
  let state = seed >>> 0;
  const next32 = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    uint64: () => (BigInt(next32()) << 32n) | BigInt((next32() | 1) >>> 0),
    fraction: () => next32() / 0x1_0000_0000,
  };
}

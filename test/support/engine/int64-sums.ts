/** Sums where the halves of a number meet, and where an int64 ends. */
const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const HALF = 10n ** 10n;

const values = [0n, 1n, -1n, HALF - 1n, HALF, HALF + 1n, -HALF, 1n - HALF, 5n * HALF + 3n, -7n * HALF - 9n];
const ends = [MAX, MAX - 1n, MIN, MIN + 1n, MAX - HALF, MIN + HALF];

export const int64Sums: readonly (readonly [value: bigint, delta: bigint])[] = [...values, ...ends].flatMap(
  (value) => [...values, ...ends].map((delta) => [value, delta] as const),
);

/** The seeded hash that chooses shards: even for keys made to look alike, and another one for every seed. */
import { describe, expect, it } from "vitest";
import { createSeededRng } from "../../../src/common/random.ts";
import { createKeyHash, shardOfHash } from "../../../src/store/hashing/shard-hash.ts";

const shards = 16;
const count = 100_000;

/** 100,000 keys that an attacker or a careless naming scheme may come up with. */
const families: Record<string, (number: number) => string> = {
  "a running number": (number) => `user:${number}`,
  "multiples of a power of two": (number) => String(number * 65_536),
  "a long common prefix": (number) => `${"x".repeat(400)}${number}`,
  "a long common suffix": (number) => `${number}${"x".repeat(400)}`,
  "one character that moves": (number) =>
    `${"a".repeat(number % 317)}b${"a".repeat(316 - (number % 317))}${Math.floor(number / 317)}`,
  "repetitions of one character": (number) =>
    `${String.fromCharCode(number % 0xd000)}`.repeat(1 + Math.floor(number / 0xd000)),
  "bytes of zero": (number) => "\0".repeat(number % 300) + Math.floor(number / 300),
  "blocks that collide in Java's hash": (number) =>
    Array.from({ length: 17 }, (_, bit) => ((number >> bit) & 1 ? "Aa" : "BB")).join(""),
};

function spread(hashOf: (namespace: string, key: string) => number, keys: Iterable<string>): number[] {
  const counts = new Array<number>(shards).fill(0);
  for (const key of keys) {
    const shard = shardOfHash(hashOf("n", key), shards);
    counts[shard] = (counts[shard] ?? 0) + 1;
  }
  return counts;
}

describe("createKeyHash()", () => {
  it.each(Object.keys(families))("spreads 100,000 keys with %s evenly", (family) => {
    const keyOf = families[family] ?? String;
    const keys = Array.from({ length: count }, (_, number) => keyOf(number));
    expect(new Set(keys).size).toBe(count);
    const hashOf = createKeyHash(createSeededRng(11).uint64());
    const expected = count / shards;
    // Ten standard deviations of a binomial: what chance does not do and a weak hash does at once.
    const tolerance = 10 * Math.sqrt(expected);
    for (const shardCount of spread(hashOf, keys)) {
      expect(Math.abs(shardCount - expected)).toBeLessThan(tolerance);
    }
  });

  it("scatters keys again that were picked for one shard under another seed", () => {
    const known = createKeyHash(createSeededRng(1).uint64());
    const aimed: string[] = [];
    for (let number = 0; aimed.length < 10_000; number++) {
      const key = `user:${number}`;
      if (shardOfHash(known("n", key), shards) === 0) aimed.push(key);
    }
    const counts = spread(createKeyHash(createSeededRng(2).uint64()), aimed);
    expect(Math.max(...counts)).toBeLessThan((2 * aimed.length) / shards);
  });

  it("is the same for the same seed, and unsigned", () => {
    const [one, other] = [
      createKeyHash(createSeededRng(5).uint64()),
      createKeyHash(createSeededRng(5).uint64()),
    ];
    for (const key of ["", "k", "ключ", "😀", "x".repeat(5_000), "ж".repeat(5_000)]) {
      const hash = one("n", key);
      expect(hash).toBe(other("n", key));
      expect(hash).toBeGreaterThanOrEqual(0);
      expect(Number.isInteger(hash)).toBe(true);
      expect(one("n", `${key}!`)).not.toBe(hash);
    }
  });

  it("tells namespaces and keys apart that run together, and remains of a longer one", () => {
    const hashOf = createKeyHash(createSeededRng(5).uint64());
    const hashes = [
      hashOf("ab", "c"),
      hashOf("a", "bc"),
      hashOf("abc", ""),
      hashOf("abc", "\0"),
      hashOf("abc", "\0\0"),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
    const before = hashOf("n", "k");
    hashOf("n", "a much longer key than the one before, and not ASCII: ключ");
    expect(hashOf("n", "k")).toBe(before);
  });

  it("uses every shard, and only those there are", () => {
    for (const shardCount of [1, 2, 3, 7, 256]) {
      expect(shardOfHash(0, shardCount)).toBe(0);
      expect(shardOfHash(0xffff_ffff, shardCount)).toBe(shardCount - 1);
    }
  });
});

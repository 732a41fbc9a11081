/** The fingerprints of names: as even as chance, apart where names are, and others for every seed. */
import { describe, expect, it } from "vitest";
import { createFingerprint } from "../../../src/store/hashing/fingerprint.ts";

const seed = [0x0123_4567_89ab_cdefn, 0xfedc_ba98_7654_3210n] as const;

describe("createFingerprint()", () => {
  it("is the same for the same seed", () => {
    const [one, other] = [createFingerprint(seed), createFingerprint(seed)];
    for (const name of ["", "k", "ключ", "😀", "x".repeat(5_000), "ж".repeat(5_000), "k"]) {
      expect([...one("n", name)]).toEqual([...other("n", name)]);
    }
  });

  it("has halves that depend on one key each", () => {
    const of = createFingerprint(seed)("n", "k").slice();
    const first = createFingerprint([1n, seed[1]])("n", "k").slice();
    const second = createFingerprint([seed[0], 1n])("n", "k").slice();
    expect(first.subarray(2)).toEqual(of.subarray(2));
    expect(second.subarray(0, 2)).toEqual(of.subarray(0, 2));
    for (const word of [0, 1]) expect(first[word]).not.toBe(of[word]);
    for (const word of [2, 3]) expect(second[word]).not.toBe(of[word]);
    for (const upper of [seed[0] ^ (1n << 63n), seed[0] ^ 1n]) {
      expect(createFingerprint([upper, seed[1]])("n", "k")[0]).not.toBe(of[0]);
    }
  });

  it("tells namespaces and names apart that run together, and remains of a longer one", () => {
    const fingerprintOf = createFingerprint(seed);
    const pairs: [string, string][] = [
      ["ab", "c"],
      ["a", "bc"],
      ["abc", ""],
      ["", "abc"],
      ["abc", "\0"],
      ["abc", "\0\0"],
      ["abc", "ÿ"],
    ];
    const texts = pairs.map(([namespace, name]) => fingerprintOf(namespace, name).join());
    expect(new Set(texts).size).toBe(texts.length);
    fingerprintOf("n", "a much longer name than those before, and not ASCII: ключ");
    expect(fingerprintOf("abc", "\0\0").join()).toBe(texts[5]);
  });

  it("tells the same name with other nonces apart, however long it is", () => {
    const fingerprintOf = createFingerprint(seed);
    const texts = [
      ...[0n, 1n, 1n << 32n, 1n << 63n].map((nonce) => fingerprintOf("n", "k", nonce).join()),
      fingerprintOf("n", "ключ", 1n).join(),
      fingerprintOf("n", "ключ", 2n).join(),
      fingerprintOf("n", "x".repeat(5_000), 1n).join(),
      fingerprintOf("n", "x".repeat(5_000), 2n).join(),
    ];
    expect(new Set(texts).size).toBe(texts.length);
  });

  it("takes all eight bytes of a nonce, in front of the name", () => {
    const fingerprintOf = createFingerprint(seed);
    const withNonce = [...fingerprintOf("n", "k", Buffer.from("abcdefgh").readBigUInt64LE())];
    expect([...fingerprintOf("abcdefghn", "k")]).toEqual(withNonce);
  });

  it("changes half of its bits when a name changes by one", () => {
    const fingerprintOf = createFingerprint(seed);
    const flips = new Array<number>(128).fill(0);
    const trials = 2_000;
    for (let trial = 0; trial < trials; trial++) {
      const name = String.fromCharCode(
        ...Array.from({ length: 12 }, (_, at) => 32 + ((trial * 7 + at) % 64)),
      );
      const at = trial % name.length;
      const changed =
        name.slice(0, at) +
        String.fromCharCode(name.charCodeAt(at) ^ (1 << (trial % 5))) +
        name.slice(at + 1);
      const before = fingerprintOf("n", name).slice();
      const after = fingerprintOf("n", changed);
      for (let bit = 0; bit < 128; bit++) {
        const differ = (before[bit >> 5] ?? 0) ^ (after[bit >> 5] ?? 0);
        flips[bit] = (flips[bit] ?? 0) + ((differ >>> (bit & 31)) & 1);
      }
    }
    // Seven standard deviations of a binomial, for each of the 128 bits.
    const tolerance = 7 * Math.sqrt(trials / 4);
    for (const flipped of flips) expect(Math.abs(flipped - trials / 2)).toBeLessThan(tolerance);
  });
});

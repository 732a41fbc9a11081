/** The text of a counter: every int64, in its shortest form, and nothing else. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCounter, writeCounter } from "../../../src/store/engine/counter-value.ts";

const MAX = 2n ** 63n - 1n;
const edges = [0n, 9n, 10n, 10n ** 14n, 10n ** 15n, 2n ** 53n, MAX].flatMap((edge) => [
  edge - 1n,
  edge,
  edge + 1n,
  -edge,
]);
const int64 = fc.oneof(
  fc.constantFrom(...edges.filter((edge) => edge <= MAX)),
  fc.bigInt({ min: -MAX - 1n, max: MAX }),
  fc.bigInt({ min: -2_000n, max: 2_000n }),
);

function read(text: string, more: { absent?: boolean; contentEncoding?: string } = {}): bigint | undefined {
  const value = Buffer.from(text, "latin1");
  return readCounter({ absent: false, contentEncoding: "", valueBytes: value.length, value, ...more });
}

describe("the value of a counter", () => {
  it("is the decimal text of any int64, and comes back", () => {
    fc.assert(
      fc.property(int64, (value) => {
        const text = Buffer.from(writeCounter(value)).toString("latin1");
        expect(text).toBe(String(value));
        expect(read(text)).toBe(value);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is no other text", () => {
    const text = fc.oneof(fc.string({ maxLength: 22 }), fc.stringMatching(/^[-+ ]?[0-9]{0,21}$/));
    fc.assert(
      fc.property(text, (given) => {
        const isInt64 =
          /^(?:0|-?[1-9][0-9]*)$/.test(given) && BigInt.asIntN(64, BigInt(given)) === BigInt(given);
        expect(read(given)).toBe(isInt64 ? BigInt(given) : undefined);
      }),
      { numRuns: 2_000 },
    );
    expect(read("1", { absent: true })).toBeUndefined();
    expect(read("1", { contentEncoding: "gzip" })).toBeUndefined();
  });
});

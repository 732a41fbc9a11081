/** Ranges: both ends belong to them, and nothing but whole numbers. */
import { describe, expect, it } from "vitest";
import { describeRange, isWithin, pickWithin } from "../../src/common/bound.ts";

const bound = { fallback: 5, min: 2, max: 9 };

describe("isWithin()", () => {
  it.each([2, 5, 9])("takes %d", (value) => {
    expect(isWithin(value, bound)).toBe(true);
  });

  it.each([1, 10, 2.5, Number.NaN, Infinity, -Infinity])("refuses %d", (value) => {
    expect(isWithin(value, bound)).toBe(false);
  });

  it("refuses a whole number beyond 2^53, which has neighbours that look the same", () => {
    expect(isWithin(2 ** 53, { min: 0, max: Infinity })).toBe(false);
  });
});

describe("pickWithin()", () => {
  it("gives the value, or the default where there is none", () => {
    const bounds = { first: bound, second: bound };
    const pick = pickWithin<keyof typeof bounds>(bounds, { first: 9 });
    expect([pick("first"), pick("second")]).toEqual([9, 5]);
  });

  it("names the option and its range", () => {
    const pick = pickWithin({ size: bound }, { size: 10 });
    expect(() => pick("size")).toThrow(`size must be ${describeRange(bound)}`);
    expect(() => pick("size")).toThrow("size must be a whole number from 2 to 9");
  });
});

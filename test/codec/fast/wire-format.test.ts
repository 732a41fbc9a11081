import { describe, expect, it } from "vitest";
import { varintBytes } from "../../../src/codec/fast/wire-format.ts";

describe("varintBytes()", () => {
  it("is one byte for every seven bits, to the greatest safe integer", () => {
    for (let bits = 1; bits <= 53; bits++) {
      expect(varintBytes(2 ** bits - 1)).toBe(Math.ceil(bits / 7));
      expect(varintBytes(2 ** (bits - 1))).toBe(Math.ceil(bits / 7));
    }
    expect(varintBytes(0)).toBe(1);
  });
});

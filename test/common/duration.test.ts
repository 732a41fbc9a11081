/** Times as people read them. */
import { describe, expect, it } from "vitest";
import { toDuration } from "../../src/common/duration.ts";

describe("a time in words", () => {
  it.each([
    [0, "0 ms"],
    [999, "999 ms"],
    [60_000, "1 min"],
    [192_000, "3 min 12 s"],
    [3_601_000, "1 h"],
    [90_000_000, "1 d 1 h"],
  ])("writes %d ms as %s", (ms, text) => expect(toDuration(ms)).toBe(text));
});

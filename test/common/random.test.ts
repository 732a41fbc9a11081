/** The system's ids: none is given out twice. */
import { expect, it } from "vitest";
import { systemRng } from "../../src/common/random.ts";

it("gives no id twice, and never 0, however many are drawn at a time", () => {
  const ids = Array.from({ length: 1_000 }, () => systemRng.uint64());
  expect(new Set(ids).size).toBe(1_000);
  expect(ids).not.toContain(0n);
  // All 64 bits vary.
  expect(ids.reduce((all, id) => all | id)).toBe(2n ** 64n - 1n);
  expect(ids.reduce((all, id) => all & id)).toBe(0n);
});

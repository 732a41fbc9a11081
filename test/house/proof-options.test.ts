/** Options of the proofs that are run by hand. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { readWeb07 } from "../../scripts/restarts/web07.ts";
import { wholeNumber } from "../../scripts/whole-number.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("a number of a proof", () => {
  it.each(["1.5", "0", "-1", "x", "", "1e3", "NaN"])("is not %j", async (text) => {
    expect(() => wholeNumber("clients", text)).toThrow("--clients must be a whole number of at least 1");
    vi.stubEnv("MESHCACHE_TRACES", "/nowhere");
    await expect(readWeb07(text)).rejects.toThrow("--limit must be a whole number of at least 1");
  });

  it("is a whole one", () => {
    expect(wholeNumber("clients", "50")).toBe(50);
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { leftOutFiles, leftOutTests } from "./suites/left-out.ts";

describe("what the suites on three servers of a tier leave out", () => {
  it.each(leftOutFiles)("is there: %s", (file) => {
    expect(readFileSync(file, "utf8")).not.toBe("");
  });

  it.each(Object.entries(leftOutTests))("has tests of these names: %s", (file, tests) => {
    const contract = readFileSync("test/contract/service-contract.ts", "utf8");
    const text = readFileSync(file, "utf8") + (file.startsWith("test/contract/") ? contract : "");
    expect(Object.keys(tests).filter((begin) => !text.includes(`("${begin}`))).toEqual([]);
  });
});

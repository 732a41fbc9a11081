/** Every planted bug still has its place in the code: a mutant that no longer applies proves nothing. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { mutants } from "./mutants.ts";

describe("the mutants", () => {
  it("are more than twenty, each with a name of its own", () => {
    expect(mutants.length).toBeGreaterThan(20);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  for (const { name, edits, test } of mutants) {
    it(`applies: ${name}`, () => {
      for (const { file, find, replace } of edits) {
        expect(readFileSync(file, "utf8").split(find).length - 1, `places in ${file}`).toBe(1);
        expect(replace).not.toBe(find);
      }
      if (test === undefined) return;
      expect(existsSync(test.file), test.file).toBe(true);
      expect(readFileSync(test.file, "utf8")).toContain(`it("${test.name}"`);
    });
  }
});

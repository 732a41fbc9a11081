/** Every planted bug still has its one place in the code: a bug that no longer applies proves nothing. */
import { describe, expect, it } from "vitest";
import { functionsOf } from "../support/parsed-source.ts";
import { mutants } from "./mutants.ts";
import { fileOfTest, plantAll, readModules, readTests } from "./planting.ts";

const modules = readModules();
const tests = readTests();

describe("the mutants", () => {
  it("are more than twenty, each with a name of its own", () => {
    expect(mutants.length).toBeGreaterThan(20);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  for (const { name, edits, test } of mutants) {
    it(`applies: ${name}`, () => {
      const changed = plantAll(modules, edits).filter((module) => !modules.includes(module));
      expect(changed.length).toBeGreaterThan(0);
      // A bug that is no TypeScript would be caught by anything.
      for (const { text } of changed) expect(functionsOf(text)).not.toEqual([]);
      if (test !== undefined) expect(fileOfTest(tests, test)).toMatch(/^test\//);
    });
  }
});

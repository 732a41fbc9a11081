/** Every planted bug of the tier still has its one place: a bug that no longer applies proves nothing. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { functionsOf } from "../../support/parsed-source.ts";
import { pathOfPart, plantAll, plantInPart, readModules } from "../planting.ts";
import { compileLua } from "./lua/compiler.ts";
import { tierMutants } from "./mutants.ts";

const modules = readModules();

describe("the mutants of the tier", () => {
  it("are at least fifteen, each with a name of its own", () => {
    expect(tierMutants.length).toBeGreaterThanOrEqual(15);
    expect(new Set(tierMutants.map(({ name }) => name)).size).toBe(tierMutants.length);
  });

  it("are in the document with what finds each", () => {
    const [, table = ""] = readFileSync("docs/coherence.md", "utf8").split("| planted bug |");
    const named = [...table.matchAll(/^\| ([a-z]+: [^|]+) \| [^|]+ \| [^|]+ \|$/gm)].map(([, name]) => name);
    expect(named).toEqual(tierMutants.map(({ name }) => name));
  });

  for (const { name, edits, inLibrary } of tierMutants) {
    it(`applies: ${name}`, () => {
      const changed = plantAll(modules, edits).filter((module) => !modules.includes(module));
      expect(changed.length + (inLibrary === undefined ? 0 : 1)).toBeGreaterThan(0);
      for (const { text } of changed) expect(functionsOf(text)).not.toEqual([]);
      if (inLibrary === undefined) return;
      const text = plantInPart(readFileSync(pathOfPart(inLibrary.inPart), "utf8"), inLibrary);
      expect(() => compileLua(text)).not.toThrow();
    });
  }
});

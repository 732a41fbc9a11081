/** Each numbered scenario of coherence has a test with its number in the title. */
import { expect, it } from "vitest";
import { scenarios } from "../documents/tables.ts";
import { sourceFiles } from "../house/imports.ts";
import { testTitlesOf } from "../support/parsed-source.ts";

it("proves every scenario by a test of its number", () => {
  const titles = sourceFiles("test/coherence").flatMap(({ text }) => testTitlesOf(text));
  const proven = new Set(titles.map((title) => Number(title.match(/^scenario (\d+): /)?.[1])));
  expect([...scenarios.keys()].filter((number) => !proven.has(number))).toEqual([]);
});

/** Each numbered scenario of coherence has a test with its number in the title. */
import { expect, it } from "vitest";
import { sourceFiles } from "../house/imports.ts";
import { testTitlesOf } from "../support/parsed-source.ts";

const SCENARIOS = 32;

it("proves every scenario from 1 to 32 by a test of its number", () => {
  const titles = sourceFiles("test/coherence").flatMap(({ text }) => testTitlesOf(text));
  const proven = new Set(titles.map((title) => Number(title.match(/^scenario (\d+): /)?.[1])));
  const numbers = Array.from({ length: SCENARIOS }, (_, index) => index + 1);
  expect(numbers.filter((number) => !proven.has(number))).toEqual([]);
});

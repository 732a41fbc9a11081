/**
 * Finds the places of planted bugs. A place is named by the function it is in, wherever under src/ that is, and by
 * text in that function. White space and the formatter's trailing commas do not count, so that a move or another
 * format of the code disarms nothing. A place that is not found exactly once is an error.
 */
import { join, relative } from "node:path";
import type { LibraryPart } from "../../src/tier/library/source.ts";
import { type SourceFile, sourceFiles } from "../house/imports.ts";
import { functionsOf, type NamedFunction, testTitlesOf } from "../support/parsed-source.ts";

export interface Edit {
  /** As `functionsOf` names it: `Coherence.mayServe`, `EntryWriter.#forget`, `createTagIndex.matching`. */
  readonly inFunction: string;
  /** Occurs exactly once in the functions of that name. */
  readonly find: string;
  readonly replace: string;
}

/** A place in the function library of the shared tier, which has no functions that are known by name. */
export interface LibraryEdit {
  readonly inPart: LibraryPart;
  /** Occurs exactly once in the part. */
  readonly find: string;
  readonly replace: string;
}

/** Where a part of the library is in the repository. */
export function pathOfPart(part: LibraryPart): string {
  return `src/tier/library/lua/${part}.lua`;
}

/** The part with the edit made. Throws when its place is not found exactly once. */
export function plantInPart(text: string, { inPart, find, replace }: LibraryEdit): string {
  const places = text.split(find).length - 1;
  if (places !== 1) throw new Error(`${inPart}.lua has ${places} places, not one, for: ${find}`);
  return text.replace(find, () => replace);
}

/** The modules below a copy of the repository. */
export function readModules(root = "."): SourceFile[] {
  return readSources(root, "src");
}

/** The files with tests below a copy of the repository. */
export function readTests(root = "."): SourceFile[] {
  return readSources(root, "test").filter(({ path }) => path.endsWith(".test.ts"));
}

function readSources(root: string, folder: string): SourceFile[] {
  return sourceFiles(join(root, folder)).map(({ path, text }) => ({ path: relative(root, path), text }));
}

/** The modules with the edits made, in their order. Throws when a place is not found exactly once. */
export function plantAll(modules: readonly SourceFile[], edits: readonly Edit[]): readonly SourceFile[] {
  return edits.reduce(plant, modules);
}

function plant(modules: readonly SourceFile[], { inFunction, find, replace }: Edit): readonly SourceFile[] {
  const places = modules.flatMap((module) =>
    functionsIn(module)
      .filter(({ name }) => name === inFunction)
      .map(({ start, end }) => ({ module, ranges: occurrences(module.text, start, end, find) })),
  );
  const ranges = places.flatMap((place) => place.ranges);
  const changed = places.find((place) => place.ranges.length > 0)?.module;
  const [range] = ranges;
  if (changed === undefined || range === undefined || ranges.length > 1) {
    const paths = places.map(({ module }) => module.path).join(", ") || "no file";
    throw new Error(`${inFunction} (in ${paths}) has ${ranges.length} places, not one, for: ${find}`);
  }
  const text = changed.text.slice(0, range.start) + replace + changed.text.slice(range.end);
  return modules.map((module) => (module === changed ? { path: module.path, text } : module));
}

/** The only file that has a test of that title. Throws when there is none, or more than one. */
export function fileOfTest(tests: readonly SourceFile[], title: string): string {
  const paths = tests.flatMap(({ path, text }) =>
    testTitlesOf(text)
      .filter((one) => one === title)
      .map(() => path),
  );
  const [path] = paths;
  if (path === undefined || paths.length > 1) {
    throw new Error(`${paths.length} tests, not one, have the title "${title}": ${paths.join(", ")}`);
  }
  return path;
}

/** Parsed once for each text: there are as many edits as bugs, and hardly a text differs between them. */
const parsed = new WeakMap<SourceFile, readonly NamedFunction[]>();

function functionsIn(module: SourceFile): readonly NamedFunction[] {
  let functions = parsed.get(module);
  if (functions === undefined) {
    functions = functionsOf(module.text, module.path.endsWith(".tsx") ? "tsx" : "ts");
    parsed.set(module, functions);
  }
  return functions;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Where `find` occurs as whole words between two offsets of the text. */
function occurrences(text: string, start: number, end: number, find: string): Range[] {
  const searched = toSignificant(text.slice(start, end));
  const wanted = toSignificant(find).text;
  const ranges: Range[] = [];
  if (wanted === "") return ranges;
  for (let at = searched.text.indexOf(wanted); at >= 0; at = searched.text.indexOf(wanted, at + 1)) {
    const from = start + (searched.offsets[at] ?? 0);
    const to = start + (searched.offsets[at + wanted.length - 1] ?? 0) + 1;
    if (!joinsWord(text, from) && !joinsWord(text, to)) ranges.push({ start: from, end: to });
  }
  return ranges;
}

/** Whether one word goes on over an offset. */
function joinsWord(text: string, at: number): boolean {
  return isWord(text[at - 1]) && isWord(text[at]);
}

function isWord(char: string | undefined): boolean {
  return char !== undefined && /[\w$#]/.test(char);
}

/** White space, the trailing commas of the formatter, or one character of anything else. */
const PIECES = /(?<space>\s+)|(?<trailing>,(?=\s*[)\]}]))|./gs;

/** A text without what the formatter decides, and where each of its characters was. */
function toSignificant(text: string): { readonly text: string; readonly offsets: readonly number[] } {
  let significant = "";
  const offsets: number[] = [];
  for (const { 0: piece, index, groups } of text.matchAll(PIECES)) {
    const isSpace = groups?.space !== undefined;
    // Between two words white space is part of the syntax, however much of it there is.
    const parts = isSpace && isWord(text[index - 1]) && isWord(text[index + piece.length]);
    if (groups?.trailing !== undefined || (isSpace && !parts)) continue;
    significant += isSpace ? " " : piece;
    offsets.push(index);
  }
  return { text: significant, offsets };
}

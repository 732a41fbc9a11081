/** The library is found from where the build puts the module that reads it: among the modules, and in the bundle. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { transformSync } from "esbuild";
import { afterAll, beforeAll, expect, it } from "vitest";
import { joinLibrary, LIBRARY_FILE, readLibrary } from "../../../src/tier/library/source.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "meshcache-dist-"));
  write(`lua/${LIBRARY_FILE}`, joinLibrary());
  write("package.json", '{ "type": "module" }');
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

it.each(["src/tier/library/source.js", "src/cli/serving/chunk-ABCD.js"])("from %s", async (path) => {
  const { code } = transformSync(readFileSync("src/tier/library/source.ts", "utf8"), { loader: "ts" });
  const module = await import(pathToFileURL(write(path, code)).href);
  expect(module.readLibrary()).toBe(joinLibrary());
});

it("from the sources", () => {
  expect(readLibrary()).toBe(joinLibrary());
});

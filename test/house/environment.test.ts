/**
 * A server refuses to start with a variable `MESHCACHE_...` that is not a setting, since it may be a setting with a wrong name.
 * So scripts and tests, whose variables a server inherits, use other names for their own.
 */
import { globSync, readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { toVariable } from "../../src/cli/settings/names.ts";
import { SETTING_NAMES } from "../../src/cli/settings/settings.ts";
import { OTHER_VARIABLES } from "../../src/cli/settings/sources.ts";

const known = new Set([...SETTING_NAMES.map(toVariable), ...OTHER_VARIABLES]);

const READ = /\bprocess\.env\.(MESHCACHE_[A-Z_]+)/g;
const EXPORTED = /\b(MESHCACHE_[A-Z_]+)=|\bexport (MESHCACHE_[A-Z_]+)/g;

function unknownIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)]
    .map(([, one, other]) => one ?? other ?? "")
    .filter((name) => !known.has(name));
}

function unknownInFiles(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    unknownIn(readFileSync(path, "utf8"), pattern).map((name) => `${path}: ${name}`),
  );
}

describe("variables MESHCACHE_...", () => {
  it("that tests and programs beside the product read are settings, or known to the server", () => {
    const paths = globSync("{test,scripts,bench,examples}/**/*.ts").filter(
      (path) => !path.includes("node_modules") && path !== "test/house/environment.test.ts",
    );
    expect(paths.length).toBeGreaterThan(300);
    expect(unknownInFiles(paths, READ)).toEqual([]);
  });

  it("that scripts of the shell set are settings, or known to the server", () => {
    const paths = globSync(["scripts/*.sh", ".ci/*"]).filter((path) => statSync(path).isFile());
    expect(paths.length).toBeGreaterThan(8);
    expect(unknownInFiles(paths, EXPORTED)).toEqual([]);
  });

  it("are found where they are wrong", () => {
    expect(unknownIn("a(process.env.MESHCACHE_CYCLES ?? 1)", READ)).toEqual(["MESHCACHE_CYCLES"]);
    expect(unknownIn("export MESHCACHE_CONTRACT='x'", EXPORTED)).toEqual(["MESHCACHE_CONTRACT"]);
    expect(unknownIn("export MESHCACHE_CONTRACT", EXPORTED)).toEqual(["MESHCACHE_CONTRACT"]);
  });
});

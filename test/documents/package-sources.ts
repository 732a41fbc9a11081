/** The sources of what the two packages export, by the names that applications import them by. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

function sourcesOf(manifest: string): [name: string, file: string][] {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, manifest), "utf8"));
  return Object.entries<{ default?: string }>(exports).flatMap(
    ([path, { default: built }]): [string, string][] => {
      if (built === undefined || !built.startsWith("./dist/src/")) return [];
      const source = built.replace("./dist/", "").replace(/\.js$/, ".ts");
      return [[join(name, path), join(ROOT, source)]];
    },
  );
}

export const packageSources: ReadonlyMap<string, string> = new Map([
  ...sourcesOf("package.json"),
  ...sourcesOf("packages/client/package.json"),
]);

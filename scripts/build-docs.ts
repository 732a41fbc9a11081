/**
 * Builds the documentation site into docs/.vitepress/dist: installs what docs/package.json asks for, makes the API
 * reference from the docstrings, and fails when a page would ask another host for something.
 */
import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { externalResources } from "../test/documents/external-resources.ts";

const DIST = "docs/.vitepress/dist";

/** Ends this process where a step fails, which has said why. */
function npm(...args: readonly string[]): void {
  const { status } = spawnSync("npm", ["--prefix", "docs", ...args], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

npm("ci", "--silent");
for (const made of ["docs/api", "docs/project", DIST]) rmSync(made, { recursive: true, force: true });
npm("run", "-s", "check");
npm("run", "-s", "api");
copyProjectPages();
npm("run", "-s", "build");

const pages = globSync(`${DIST}/**/*.{html,css,js}`);
const faults = pages.flatMap((path) => externalResources(path, readFileSync(path, "utf8")));
if (faults.length > 0) {
  console.error(`the site asks other hosts for something:\n  ${faults.join("\n  ")}`);
  process.exitCode = 1;
} else console.log(`${pages.filter((path) => path.endsWith(".html")).length} pages in ${DIST}`);

/** Documents beside docs/ that the site has too. Their links begin elsewhere there. */
function copyProjectPages(): void {
  mkdirSync("docs/project", { recursive: true });
  for (const name of ["CONTRIBUTING", "SECURITY", "CHANGELOG"]) {
    const text = readFileSync(`${name}.md`, "utf8").replace(
      /\]\((?!https?:|#)(docs\/)?([^)]+)\)/g,
      (_, isPage: string | undefined, rest: string) => `](../${isPage === undefined ? "../" : ""}${rest})`,
    );
    writeFileSync(`docs/project/${name.toLowerCase()}.md`, text);
  }
}

/** Links of the documents: that each leads somewhere, and that the README leads everywhere. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Link, type Page, readPages, toPage } from "./pages.ts";

const pages = readPages();
const pageAt = new Map(pages.map((page) => [page.path, page]));

/** Why a link leads nowhere, or undefined. Links to other hosts are not followed. */
function faultOf({ path }: Page, { target }: Link): string | undefined {
  if (/^(https?|mailto):/.test(target)) return undefined;
  const [file = "", anchor = ""] = target.split("#");
  const to = file === "" ? path : join(dirname(path), file);
  if (!existsSync(to)) return "there is no such file";
  if (anchor === "") return undefined;
  return pageAt.get(to)?.anchors.has(anchor)
    ? undefined
    : "there is no such heading, or not on GitHub and the site alike";
}

const faultsOf = (page: Page) =>
  page.links.flatMap((link) => {
    const fault = faultOf(page, link);
    return fault === undefined ? [] : [`${page.path}:${link.line} ${link.target}: ${fault}`];
  });

describe("the documents", () => {
  it("link to files and headings that exist", () => {
    expect(pages.reduce((count, page) => count + page.links.length, 0)).toBeGreaterThan(100);
    expect(pages.flatMap(faultsOf)).toEqual([]);
  });

  it("can all be reached from the README", () => {
    const reached = new Set(["README.md"]);
    for (const path of reached) {
      for (const { target } of pageAt.get(path)?.links ?? []) {
        const to = join(dirname(path), target.replace(/#.*/, ""));
        if (pageAt.has(to)) reached.add(to);
      }
    }
    // The site's own first page.
    reached.add("docs/index.md");
    expect(pages.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
  });

  it("name only npm scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
    const named = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/(?<!--prefix \S+ )npm run (?:-s )?([a-z]+(?::[a-z0-9-]+)*)/g)].map(
        ([, name = ""]) => ({
          path,
          name,
        }),
      ),
    );
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter(({ name }) => !(name in scripts))).toEqual([]);
  });

  it("name only files that exist", () => {
    const named = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/`((?:src|test|bench|proto|scripts|examples|\.ci)\/[\w./-]*\w)\/?`/g)].map(
        ([, file = ""]) => ({ path, file }),
      ),
    );
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter(({ file }) => !existsSync(file))).toEqual([]);
  });

  it("name only files of src/ that exist, where they begin at a room", () => {
    const { text } = pageAt.get("docs/architecture.md") ?? { text: "" };
    const named = [...text.matchAll(/`([a-z][\w-]*\/[\w/-]+\.ts)`/g)].map(([, file = ""]) => file);
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((file) => !existsSync(join("src", file)) && !existsSync(file))).toEqual([]);
  });

  it("have a README that is read in three minutes", () => {
    expect(readFileSync("README.md", "utf8").split("\n").length).toBeLessThanOrEqual(160);
  });
});

describe("the test of links", () => {
  it.each([
    ["a file that is not there", "[a](nowhere.md)"],
    ["a heading that is not there", "# A heading\n\n[a](#another)"],
    ["a heading of another page", "[a](docs/cli.md#no-such)"],
    ["an anchor that the site does not have", "# HTTP/2\n\n[a](#http2)"],
    ["an image", "![a](nowhere.png)"],
    ["a link in a table", "| [a | b](nowhere.md) |"],
  ])("finds %s", (_, text) => {
    expect(faultsOf(toPage("README.md", text))).toHaveLength(1);
  });

  it("takes what is in code for code", () => {
    expect(faultsOf(toPage("README.md", "```text\n[a](nowhere.md)\n```\n"))).toEqual([]);
  });
});

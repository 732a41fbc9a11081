/** Each diff of the documents is between files that run: what it removes and leaves alone is in the one, and what it makes in the other. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Block, readPages } from "./pages.ts";

const MADE = /^makes: (\S+)(?: from: (\S+))?$/;

const PART = /^part of: (\S+)$/;

const blocks = readPages().flatMap((page) => page.blocks);
const diffs = blocks.filter(({ language }) => language === "diff");
const parts = blocks.filter(({ language }) => language === "go" || language === "python");

/** The lines of the file that the diff makes, or of the one that it begins from. */
const linesOf = ({ code }: Pick<Block, "code">, of: "made" | "earlier"): string[] =>
  code
    .trimEnd()
    .split("\n")
    .filter((line) => !line.startsWith(of === "made" ? "-" : "+"))
    .map((line) => line.slice(1));

function isPartOf(lines: readonly string[], text: string): boolean {
  return `\n${text}`.includes(`\n${lines.join("\n")}\n`);
}

function expectPart(at: string, file: string, lines: readonly string[]): void {
  expect(existsSync(file), `${at} names no file that is there`).toBe(true);
  expect(isPartOf(lines, readFileSync(file, "utf8")), `${at} is no part of ${file}`).toBe(true);
}

describe("the diffs of the documents", () => {
  it("say which files they are between, and these have their lines", () => {
    expect(diffs.length).toBeGreaterThan(3);
    for (const diff of diffs) {
      const at = `${diff.path}:${diff.line}`;
      const [, made = "", earlier] = MADE.exec(diff.comment) ?? [];
      expectPart(at, made, linesOf(diff, "made"));
      expect(diff.code, at).toMatch(/^\+/m);
      // What only adds lines begins from whatever file has the others.
      expect(/^-/m.test(diff.code), `${at} names no file that has what it removes`).toBe(
        earlier !== undefined,
      );
      if (earlier !== undefined) expectPart(at, earlier, linesOf(diff, "earlier"));
    }
  });

  it("are found to be of another file", () => {
    const lines = linesOf({ code: " a\n-b\n+c\n" }, "made");
    expect(lines).toEqual(["a", "c"]);
    expect(linesOf({ code: " a\n-b\n+c\n" }, "earlier")).toEqual(["a", "b"]);
    expect(isPartOf(lines, "a\nc\n")).toBe(true);
    expect(isPartOf(lines, "a\nb\nc\n")).toBe(false);
  });
});

describe("the blocks of other languages", () => {
  it("are parts of programs that .ci/first-minute runs", () => {
    expect(parts.length).toBeGreaterThan(1);
    for (const { path, line, comment, code } of parts) {
      const [, program = ""] = PART.exec(comment) ?? [];
      expectPart(`${path}:${line}`, program, code.trimEnd().split("\n"));
    }
  });
});

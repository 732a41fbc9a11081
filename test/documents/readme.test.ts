/** Holds what the README tells of the code to the code. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { observed, recorded } from "../../src/client/telemetry/instruments.ts";
import { type InstrumentRow, instruments } from "../../src/telemetry/instruments.ts";

const readme = readFileSync("README.md", "utf8");

describe("the README", () => {
  it("lists every instrument as it is", () => {
    const all = [instruments, recorded, observed].flatMap((table): InstrumentRow[] => Object.values(table));
    const rows = all.map(
      ({ name, kind, unit, description, labels }) =>
        `| \`${name}\` | ${kind} | \`${unit}\` | ${description} | ${labels.map((label) => `\`${label}\``).join(", ")} |`,
    );
    expect(rows.filter((row) => !readme.includes(row))).toEqual([]);
  });

  it("names only npm scripts that exist", () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
    const named = [...readme.matchAll(/npm run (?:-s )?([a-z:]+)/g)].map(([, name = ""]) => name);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it("names only files that exist", () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)];
    const sources = [...readme.matchAll(/`((?:src|test|bench|proto|scripts)\/[\w./-]+\.\w+)`/g)];
    expect(Math.min(links.length, sources.length)).toBeGreaterThan(0);
    const linked = [...links, ...sources].map(([, path = ""]) => path);
    expect(linked.filter((path) => !existsSync(path))).toEqual([]);
  });

  it("has no section left to fill in", () => {
    expect(readme).not.toContain("<!--");
  });
});

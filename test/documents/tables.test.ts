/** What the documents tell of the code, held to the code. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { observed, recorded } from "../../src/client/telemetry/instruments.ts";
import { type InstrumentRow, instruments } from "../../src/telemetry/instruments.ts";
import { readPages } from "./pages.ts";
import { scenarios, scenarioTests, tableFiles, withTables } from "./tables.ts";

const read = (path: string) => readFileSync(path, "utf8");
const metrics = [instruments, recorded, observed].flatMap((table): InstrumentRow[] => Object.values(table));

describe("the documents' tables", () => {
  it.each(tableFiles)("of %s are what npm run docs:tables writes", (path) => {
    expect(read(path)).toBe(withTables(read(path)));
  });

  it("are all in files that are looked at", () => {
    const withMarks = readPages().filter(({ text }) => /^<!-- table: /m.test(text));
    expect(withMarks.map(({ path }) => path)).toEqual([...tableFiles]);
  });

  it("are written anew where the code has changed", () => {
    const stale = read("docs/configuration.md").replace("| `shards` | 16 |", "| `shards` | 17 |");
    expect(stale).not.toBe(read("docs/configuration.md"));
    expect(withTables(stale)).toBe(read("docs/configuration.md"));
    expect(() => withTables("<!-- table: nothing -->\n<!-- /table -->")).toThrow("nothing");
  });
});

describe("docs/architecture.md", () => {
  it("says of each room what it is for", () => {
    const [, table = ""] = read("docs/architecture.md").split("<!-- table: rooms -->");
    const rows = [...table.matchAll(/^\| `([^`]+)` \| (.*?) \|/gm)];
    expect(rows.length).toBeGreaterThan(20);
    expect(rows.filter(([, , purpose = ""]) => purpose.trim() === "").map(([, room]) => room)).toEqual([]);
  });
});

describe("docs/cli.md", () => {
  it("quotes what watch prints", () => {
    const source = read("src/cli/commands/watch-frames.ts");
    const quoted = [...read("docs/cli.md").matchAll(/`(-- [^`]+)`/g)].map(([, text = ""]) => text);
    expect(quoted.length).toBeGreaterThan(3);
    // The reason, in parentheses, is a text of its own.
    expect(quoted.flatMap((text) => text.split(/[()]/)).filter((part) => !source.includes(part))).toEqual([]);
  });
});

describe("docs/coherence.md", () => {
  it("has a test for each scenario that is built", () => {
    const tests = scenarioTests();
    const unproven = [...scenarios.keys()].filter((number) => !tests.has(number));
    expect(unproven).toEqual([]);
    expect([...tests.keys()].filter((number) => !scenarios.has(number))).toEqual([]);
  });

  it("names tests by titles that exist", () => {
    const links = readPages().find(({ path }) => path === "docs/coherence.md")?.links ?? [];
    const proofs = links.filter(({ target }) => target.startsWith("../test/coherence/"));
    expect(proofs.length).toBeGreaterThan(31);
    const missing = proofs.filter(({ text, target }) => !read(target.slice(3)).includes(`: ${text}"`));
    expect(missing).toEqual([]);
  });
});

describe("the alerts", () => {
  it("ask for metrics that are exported, by label values that exist", () => {
    const block = readPages()
      .find(({ path }) => path === "docs/operations.md")
      ?.blocks.find(({ code }) => code.includes("alert:"));
    const asked = [...(block?.code ?? "").matchAll(/\b((?:meshcache|nodejs|rpc)_\w+)(?=[[{)]|\b)/g)]
      .map(([, name = ""]) => name)
      .filter((name) => !/^(meshcache|rpc)_(record|reason|outcome|status_code)$/.test(name));
    const exported = new Set(
      metrics.map(({ name, kind }) => {
        const base = name.replaceAll(".", "_");
        return kind === "counter" ? `${base}_total` : kind === "histogram" ? `${base}_count` : base;
      }),
    );
    expect(asked.length).toBeGreaterThan(8);
    expect(asked.filter((name) => !exported.has(name))).toEqual([]);
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toJsonBytes, toJsonLine } from "../../../src/cli/output/json.ts";
import { manyLines, oneLine, plural, toColumns, toSize, toText } from "../../../src/cli/output/text.ts";

/** Characters that control a terminal or end a line. */
const acts = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

describe("oneLine()", () => {
  it("shows escape sequences instead of sending them", () => {
    expect(oneLine("a\u001b[31mb\u009b0m\r\nc\u202ed")).toBe("a\\u{1b}[31mb\\u{9b}0m\\r\\nc\\u{202e}d");
  });

  it("leaves no such character in any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(oneLine(text)).not.toMatch(acts);
        expect(oneLine(text).isWellFormed()).toBe(true);
      }),
    );
  });

  it("does not change ordinary text of any language", () => {
    for (const text of ["user:42", "größe", "日本語", "🦊", "C:\\path"]) expect(oneLine(text)).toBe(text);
  });
});

describe("manyLines()", () => {
  it("keeps line ends and tabs, and no other control character", () => {
    expect(manyLines("a\tb\nc\u001bd")).toBe("a\tb\nc\\u{1b}d");
  });
});

describe("toJsonLine()", () => {
  it("is one safe line with the same meaning", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const line = toJsonLine({ text });
        expect(line).not.toMatch(acts);
        expect(JSON.parse(line)).toEqual({ text });
      }),
    );
  });

  it("writes 64-bit numbers as text", () => {
    expect(toJsonLine({ epoch: 2n ** 64n - 1n })).toBe('{"epoch":"18446744073709551615"}');
  });

  it("writes bytes as base64, and as text only if they are UTF-8", () => {
    expect(toJsonBytes(Buffer.from("hé"))).toEqual({ value: "aMOp", text: "hé" });
    expect(toJsonBytes(Uint8Array.of(0xff))).toEqual({ value: "/w==" });
  });
});

describe("text for people", () => {
  it("tells UTF-8 from other bytes", () => {
    expect(toText(Buffer.from("ok"))).toBe("ok");
    expect(toText(Uint8Array.of(0xc3, 0x28))).toBeUndefined();
  });

  it("writes sizes and counts", () => {
    expect([toSize(0), toSize(1023), toSize(1536), toSize(1024 ** 3)]).toEqual([
      "0 B",
      "1023 B",
      "1.5 KiB",
      "1 GiB",
    ]);
    expect([plural(1, "entry", "entries"), plural(2_000, "entry", "entries")]).toEqual([
      "1 entry",
      "2,000 entries",
    ]);
  });

  it("aligns columns", () => {
    expect(
      toColumns(
        [
          ["a", "1"],
          ["long", "22"],
        ],
        [1],
      ),
    ).toEqual(["  a      1", "  long  22"]);
  });
});

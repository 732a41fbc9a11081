import { status } from "@grpc/grpc-js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutText } from "../../../src/common/text.ts";
import { explainStatus } from "../../../src/server/grpc-js/status.ts";

const PAIR = "\u{1f600}";
const explained = (details: string) =>
  explainStatus({ code: status.NOT_FOUND, details, metadata: null }, 1_000, false);

describe("A9: a status message that is cut", () => {
  it.each([254, 255, 256, 257])("inside of a surrogate pair or beside it stays text (%i)", (ascii) => {
    const { code, details } = explained("x".repeat(ascii) + PAIR.repeat(10));
    expect(code).toBe(status.NOT_FOUND);
    // As grpc-js sends it: a lone surrogate throws, and the status becomes UNKNOWN.
    expect(encodeURI(details ?? "")).not.toBe("");
  });

  it("keeps as much as fits", () => {
    expect(cutText(`ab${PAIR}`, 4)).toBe(`ab${PAIR}`);
    expect(cutText(`ab${PAIR}`, 3)).toBe("ab");
    expect(cutText(`a${PAIR}b`, 3)).toBe(`a${PAIR}`);
  });

  it("is a beginning, well-formed, and no more than a pair too short", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 300 }),
        fc.integer({ min: 1, max: 300 }),
        (text, max) => {
          const cut = cutText(text, max);
          expect(text.startsWith(cut)).toBe(true);
          expect(cut.isWellFormed()).toBe(true);
          expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, max - 1));
          expect(cut.length).toBeLessThanOrEqual(max);
        },
      ),
    );
  });
});

/** The proofs that the documents name exist. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { HTTP, IDENTITIES, INVARIANTS, LIMITS } from "./proofs.ts";

describe("docs/proofs.md", () => {
  it("names tests by titles that exist", () => {
    const proofs = [...HTTP, ...IDENTITIES, ...INVARIANTS, ...LIMITS].flatMap((row) => row.proofs);
    const missing = proofs.filter(([path, title]) => {
      const text = readFileSync(path, "utf8");
      return !['"', "`"].some((quote) => text.includes(`${quote}${title}`));
    });
    expect(missing).toEqual([]);
  });

  it("has a proof for each row", () => {
    expect(
      [...HTTP, ...IDENTITIES, ...INVARIANTS, ...LIMITS].filter(({ proofs }) => proofs.length === 0),
    ).toEqual([]);
  });
});

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { VERSION } from "../../src/common/version.ts";

it("VERSION is the version of package.json", () => {
  expect(JSON.parse(readFileSync("package.json", "utf8")).version).toBe(VERSION);
});

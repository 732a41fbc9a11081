/** A test of the types of a folder that the root does not check, because they need what is installed there. */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

export function itHasSoundTypes(project: string): void {
  it("has types that agree with those of what it adapts", () => {
    const { status, stdout } = spawnSync("node_modules/.bin/tsc", ["--noEmit", "-p", project], {
      encoding: "utf8",
    });
    expect(status, stdout).toBe(0);
  });
}

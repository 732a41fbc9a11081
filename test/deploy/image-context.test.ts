/** The Dockerfile copies what .dockerignore lets into the context of the build, and with it all that its scripts import. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";

const lines = (path: string) => readFileSync(path, "utf8").split("\n");

const allowed = new Set(
  lines(".dockerignore").flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : [])),
);

const copied = lines("Dockerfile").flatMap((line) => {
  const [instruction, ...paths] = line.split(" ");
  return instruction === "COPY" && !line.includes("--from=") ? paths.slice(0, -1) : [];
});

describe("the context of the image's build", () => {
  it("has what the Dockerfile copies", () => {
    expect(copied.length).toBeGreaterThan(5);
    expect(copied.filter((path) => !allowed.has(path))).toEqual([]);
  });

  it("has the modules of the repository that the scripts of the build import", () => {
    const scripts = copied.filter((path) => path.endsWith(".ts"));
    const imported = scripts.flatMap((path) =>
      [...readFileSync(path, "utf8").matchAll(/from "(\.[^"]+)"/g)].map(([, module = ""]) =>
        join(dirname(path), module),
      ),
    );
    expect(imported).toContain("scripts/bundle.ts");
    expect(imported.filter((path) => !copied.includes(path) && !path.startsWith("src/"))).toEqual([]);
  });
});

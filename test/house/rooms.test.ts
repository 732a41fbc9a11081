/** Checks the imports of `src/` against the table of rooms. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cyclesOf, importsOf, reachedFrom, type SourceFile, sourceFiles, violationsOf } from "./imports.ts";
import { packageRooms, rooms } from "./rooms.ts";

const files = sourceFiles("src");
const imports = importsOf(files);

describe("the rooms", () => {
  it("each have a row in the table, and every row has a room", () => {
    const found = new Set(imports.map(({ room }) => room));
    expect(Object.keys(rooms).sort()).toEqual([...found].sort());
  });

  it("import only what the table allows", () => {
    expect(imports.length).toBeGreaterThan(500);
    expect(violationsOf(imports, rooms, packageRooms)).toEqual([]);
  });

  it("use every import that the table allows", () => {
    const unused = Object.entries(rooms).flatMap(([room, allowed]) =>
      allowed
        .filter((other) => !imports.some((one) => one.room === room && one.target === other))
        .map((other) => `${room} imports nothing of ${other}`),
    );
    expect(unused).toEqual([]);
  });

  it("have no cycle among them", () => {
    expect(cyclesOf(imports)).toEqual([]);
  });
});

describe("the import test", () => {
  const at = (path: string, text: string): SourceFile => ({ path, text });
  const planted = (path: string, text: string) => importsOf([at(path, text)]);

  it.each([
    ["a room that is not allowed", "src/common/clock.ts", 'import { x } from "../store/api/store.ts";'],
    ["a type alone", "src/http2/frame.ts", 'import type { X } from "../server/index.ts";'],
    ["an import on demand", "src/common/clock.ts", 'await import("../cli/program.ts");'],
    ["an import for its effects", "src/common/clock.ts", 'import "../cli/main.ts";'],
    ["what is exported on", "src/client/api/options.ts", 'export { x } from "../../server/index.ts";'],
    [
      "a file of the tests",
      "src/client/api/options.ts",
      'import { x } from "../../../test/support/until.ts";',
    ],
    ["a package of another room", "src/client/api/options.ts", 'import { fastify } from "fastify";'],
    ["a room without a row", "src/store/new-room/file.ts", 'import { x } from "../api/store.ts";'],
    ["the accelerator", "src/server/streams/exchange.ts", 'import { x } from "../fast/router.ts";'],
  ])("finds %s", (_, path, text) => {
    expect(violationsOf(planted(path, text), rooms, packageRooms)).toHaveLength(1);
  });

  it("finds a cycle of two rooms and of three, and names them", () => {
    const cycle = (...paths: readonly string[]) =>
      importsOf(
        paths.map((path, index) =>
          at(
            `src/${path}/a.ts`,
            `import "${"../".repeat(path.split("/").length)}${paths[(index + 1) % paths.length]}/a.ts";`,
          ),
        ),
      );
    expect(cyclesOf(cycle("common", "codec"))).toEqual([["codec", "common"]]);
    expect(cyclesOf(cycle("common", "server/calls", "rpc"))).toEqual([["common", "rpc", "server/calls"]]);
    expect(cyclesOf(cycle("common", "codec").slice(1))).toEqual([]);
  });
});

/** The packages that `import "meshcache"` may load. */
const clientPackages = ["@grpc/grpc-js", "@bufbuild/protobuf", "@opentelemetry/api"];

describe("the client", () => {
  const reached = reachedFrom("src/index.ts", imports);

  it("loads three packages and no more", () => {
    const packages = imports.filter(({ file }) => reached.has(file)).map(({ package: name }) => name);
    expect([...new Set(packages)].filter((name) => name !== undefined).sort()).toEqual(
      [...clientPackages].sort(),
    );
  });

  it("loads nothing of the server or the store", () => {
    expect([...reached].filter((file) => /^src\/(server|store|cli|telemetry)\//.test(file))).toEqual([]);
  });
});

describe("the sources", () => {
  it("each begin with what the file is responsible for", () => {
    const silent = files.filter(({ text }) => !/^(#!.*\n)?(\/\*\*|\/\/ )/.test(text));
    expect(silent.map(({ path }) => path)).toEqual([]);
  });

  it("start the server with the same flags of Node by its command and by npm", () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
    const [firstLine = ""] = readFileSync("src/cli/main.ts", "utf8").split("\n", 1);
    const [, flags = ""] = firstLine.match(/^#!\/usr\/bin\/env -S node( --.+)$/) ?? [];
    expect(scripts.start).toBe(`node${flags} src/cli/main.ts serve`);
    // What Linux before 5.1 reads of it.
    expect(Buffer.byteLength(firstLine)).toBeLessThanOrEqual(127);
  });
});

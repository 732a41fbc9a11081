/** The manifests of the two packages, and what they must agree on. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { NODE_MIN } from "../../src/common/node-version.ts";
import { importsOf, sourceFiles } from "./imports.ts";

const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const [full, client] = [read("package.json"), read("packages/client/package.json")];

/** Bundled for the command line, or for browsers: nothing is imported from there. */
const BUNDLED = ["src/cli/", "src/console/", "src/http-proxy/"];

describe("the packages", () => {
  it.each(["version", "license", "type", "engines"])("have the same %s", (field) => {
    expect(client[field]).toEqual(full[field]);
  });

  it("give the same API under their names", () => {
    for (const path of [".", "./connect", "./grpc"]) expect(client.exports[path]).toEqual(full.exports[path]);
  });

  it("want the Node that the code asks for", () => {
    expect(full.engines.node).toBe(`>=${NODE_MIN}`);
  });

  it("are built before they are packed", () => {
    for (const { scripts } of [full, client]) expect(scripts.prepack).toMatch(/build\.ts/);
  });

  it("have what applications import from them, beside the command line, which is a bundle", () => {
    const installed = new Set(Object.keys({ ...full.dependencies, ...full.peerDependencies }));
    const missing = importsOf(sourceFiles("src"))
      .filter(({ file }) => !BUNDLED.some((folder) => file.startsWith(folder)))
      .flatMap(({ file, package: name }) =>
        name === undefined || installed.has(name) ? [] : [`${file}: ${name}`],
      );
    expect(missing).toEqual([]);
  });

  it("start the server by npm as by their command", () => {
    const command = full.bin.meshcache.replace("./dist/", "").replace(/\.js$/, ".ts");
    expect(full.scripts.start).toBe(`node ${command} serve`);
    expect(full.scripts.meshcache).toBe(`node ${command}`);
    expect(readFileSync(command, "utf8").split("\n", 1)).toEqual(["#!/usr/bin/env node"]);
  });
});

describe("the client's package", () => {
  it("depends on one package, of the version that the other one has", () => {
    expect(client.dependencies).toEqual({ "@bufbuild/protobuf": full.dependencies["@bufbuild/protobuf"] });
  });

  it("works without its peers", () => {
    const peers = Object.keys(client.peerDependencies);
    expect(peers).toEqual(["@connectrpc/connect", "@grpc/grpc-js", "@opentelemetry/api"]);
    expect(client.peerDependenciesMeta).toEqual(
      Object.fromEntries(peers.map((name) => [name, { optional: true }])),
    );
  });
});

/** The manifests of the two packages, and what they must agree on. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { NODE_MIN } from "../../src/common/node-version.ts";
import { importsOf, reachedFrom, sourceFiles } from "./imports.ts";

const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const [full, client] = [read("package.json"), read("packages/client/package.json")];
const APPLICATIONS = ["test/adapters/suites/package.json", "test/adapters/next/package.json"];
/** What the adapters are for. They import no code of it. */
const ADAPTED = ["@apollo/server", "bentocache", "fastify", "keyv", "next", "unstorage"];

describe("the packages", () => {
  it.each(["version", "license", "type", "engines"])("have the same %s", (field) => {
    expect(client[field]).toEqual(full[field]);
  });

  it("give the same API under their names", () => {
    expect(Object.keys(client.exports)).toContain("./keyv");
    for (const path of Object.keys(client.exports)) expect(client.exports[path]).toEqual(full.exports[path]);
  });

  it("want the Node that the code asks for", () => {
    expect(full.engines.node).toBe(`>=${NODE_MIN}`);
  });

  it("are built before they are packed", () => {
    for (const { scripts } of [full, client]) expect(scripts.prepack).toMatch(/build\.ts/);
  });

  it("install what an application imports of them, and nothing that only the bundled command has", () => {
    const imports = importsOf([...sourceFiles("src"), ...sourceFiles("gen")]);
    const entries = Object.values<{ default: string }>(full.exports)
      .map((paths) => paths.default ?? "")
      .filter((path) => path.startsWith("./dist/src/"))
      .map((path) => path.replace("./dist/", "").replace(/\.js$/, ".ts"));
    expect(entries.length).toBeGreaterThan(4);
    const reached = new Set(entries.flatMap((entry) => [...reachedFrom(entry, imports)]));
    const used = imports.filter(({ file }) => reached.has(file)).flatMap((one) => one.package ?? []);
    const installed = Object.keys({ ...full.dependencies, ...full.peerDependencies });
    expect([...new Set([...used, ...ADAPTED])].sort()).toEqual(installed.sort());
  });

  it("leave it to the application what it adapts", () => {
    for (const name of ADAPTED) {
      expect(full.peerDependenciesMeta[name]).toEqual({ optional: true });
      expect(client.peerDependencies[name]).toBe(full.peerDependencies[name]);
      const tried = [full.devDependencies, ...APPLICATIONS.map((path) => read(path).dependencies)];
      expect(
        tried.some((packages) => name in packages),
        `${name} is tried`,
      ).toBe(true);
    }
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
    expect(peers).toEqual(["@connectrpc/connect", "@grpc/grpc-js", "@opentelemetry/api", ...ADAPTED].sort());
    expect(client.peerDependenciesMeta).toEqual(
      Object.fromEntries(peers.map((name) => [name, { optional: true }])),
    );
  });
});

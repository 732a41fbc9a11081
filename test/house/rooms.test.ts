/** Reads every import under `src/` and holds it to the house's directions. */
import { readdirSync, readFileSync } from "node:fs";
import { join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";

/** What each room may import beside itself. A file at the top of `src/` is a room of its own. */
const mayImport: Record<string, readonly string[]> = {
  common: [],
  http2: ["common"],
  codec: ["common", "gen", "rpc"],
  rpc: ["common", "codec", "store", "gen"],
  store: ["common"],
  telemetry: ["common", "store", "rpc"],
  server: ["common", "http2", "codec", "rpc", "store", "telemetry", "gen"],
  client: ["common", "http2", "codec", "rpc", "gen"],
  index: ["client", "common"],
  testing: ["common", "store", "rpc", "telemetry", "server", "client", "index"],
  cli: ["common", "codec", "rpc", "store", "telemetry", "server", "client", "index", "gen"],
};

/** Packages that only these rooms may import. */
const packageRooms: Record<string, readonly string[]> = {
  "@opentelemetry/sdk-node": ["cli"],
  "@opentelemetry/sdk-metrics": ["cli"],
  "@opentelemetry/exporter-prometheus": ["cli", "server"],
  "@opentelemetry/api": ["telemetry", "server", "client", "cli"],
  "@opentelemetry/semantic-conventions": ["telemetry", "cli"],
  "@grpc/grpc-js": ["codec", "rpc", "server", "client", "cli", "testing"],
  "@bufbuild/protobuf": ["codec", "rpc", "server", "client", "cli"],
  "lru-cache": ["store"],
  fastify: ["server"],
  commander: ["cli"],
  zod: ["cli"],
  yaml: ["cli"],
  pino: ["telemetry", "cli"],
};

/** What `import "meshcache"` may pull into a service. */
const clientPackages = ["@grpc/grpc-js", "@bufbuild/protobuf", "@opentelemetry/api"];

interface Import {
  readonly file: string;
  readonly room: string;
  readonly from: string;
}

const roomOf = (path: string): string => {
  const [top = "", second = ""] = path.split("/");
  return top === "src" ? second.replace(/\.ts$/, "") : top;
};

function importsUnder(folder: string): Import[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  return files.flatMap((name) => {
    const file = join(folder, name);
    const text = readFileSync(file, "utf8");
    const specifiers = text.matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^;"']*?from\s*"([^"]+)"|import\(\s*"([^"]+)"|(?:^|\n)import\s+"([^"]+)"/g,
    );
    return [...specifiers].map((match) => ({
      file,
      room: roomOf(file),
      from: match[1] ?? match[2] ?? match[3] ?? "",
    }));
  });
}

const imports = importsUnder("src");
const packageOf = (from: string): string => from.match(/^(@[^/]+\/[^/]+|[^/]+)/)?.[0] ?? from;
const targetRoom = (one: Import): string => roomOf(relative(".", normalize(join(one.file, "..", one.from))));

describe("the house", () => {
  it("starts the server with the same flags of Node by its command and by npm", () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
    const [firstLine = ""] = readFileSync("src/cli/main.ts", "utf8").split("\n", 1);
    const [, flags = ""] = firstLine.match(/^#!\/usr\/bin\/env -S node( --.+)$/) ?? [];
    expect(scripts.start).toBe(`node${flags} src/cli/main.ts serve`);
    // What Linux before 5.1 reads of it.
    expect(Buffer.byteLength(firstLine)).toBeLessThanOrEqual(127);
  });

  it("has a rule for every room", () => {
    expect(imports.length).toBeGreaterThan(0);
    expect([...new Set(imports.map((one) => one.room))].filter((room) => !(room in mayImport))).toEqual([]);
  });

  it("imports in one direction only", () => {
    const wrong = imports
      .filter((one) => one.from.startsWith("."))
      .filter((one) => targetRoom(one) !== one.room && !mayImport[one.room]?.includes(targetRoom(one)));
    expect(wrong.map((one) => `${one.file} imports ${one.from}`)).toEqual([]);
  });

  it("keeps each package in its rooms", () => {
    const wrong = imports
      .filter((one) => !one.from.startsWith("."))
      .filter((one) => !(packageRooms[packageOf(one.from)] ?? [one.room]).includes(one.room));
    expect(wrong.map((one) => `${one.file} imports ${one.from}`)).toEqual([]);
  });

  it("gives a service that imports the client four packages and no more", () => {
    const reached = new Set<string>();
    const packages = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file)) return;
      reached.add(file);
      for (const one of imports.filter((candidate) => candidate.file === file)) {
        if (one.from.startsWith(".")) visit(normalize(join(file, "..", one.from)));
        else if (!one.from.startsWith("node:")) packages.add(packageOf(one.from));
      }
    };
    visit("src/index.ts");
    expect([...packages].filter((name) => !clientPackages.includes(name))).toEqual([]);
  });

  it("opens every file with what it is responsible for", () => {
    const silent = readdirSync("src", { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .filter((name) => !/^(#!.*\n)?(\/\*\*|\/\/ )/.test(readFileSync(join("src", name), "utf8")));
    expect(silent).toEqual([]);
  });
});

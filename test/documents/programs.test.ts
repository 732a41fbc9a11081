/** Every TypeScript block of the documents is type-checked, and the complete programs run. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MeshCache } from "../../src/index.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { packageSources } from "./package-sources.ts";
import { type Block, readPages } from "./pages.ts";
import { Running } from "./shell.ts";

const blocks = readPages()
  .flatMap((page) => page.blocks)
  .filter(({ language }) => language === "ts");
const PRELOAD = resolve("test/documents/resolve-packages.ts");

let folder = "";
beforeAll(() => {
  // Within the repository, so that @types/node is found.
  mkdirSync(".cache", { recursive: true });
  folder = mkdtempSync(resolve(".cache/documents-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fileOf = ({ path, line }: Block) => `${path.replace(/\W/g, "-")}-${line}.ts`;

/** Writes the program of a page that a comment marks as one that runs. */
function writeProgram(kind: "http" | "test"): string {
  const block = blocks.find(({ comment }) => comment === `runs: ${kind}`);
  if (block === undefined) throw new Error(`no block runs as ${kind}`);
  const file = join(folder, `${kind}.ts`);
  writeFileSync(file, block.code);
  return file;
}

describe("the TypeScript blocks", () => {
  it("are sound", () => {
    expect(blocks.length).toBeGreaterThan(8);
    const checked = join(folder, "types");
    mkdirSync(checked);
    for (const block of blocks) {
      const before = block.comment.startsWith("before:") ? block.comment.slice("before:".length) : "";
      writeFileSync(join(checked, fileOf(block)), `${before}\n${block.code}\nexport {};\n`);
    }
    const paths = Object.fromEntries([...packageSources].map(([name, source]) => [name, [source]]));
    const compilerOptions = { paths, noUnusedLocals: false, noUnusedParameters: false };
    const config = { extends: resolve("tsconfig.json"), compilerOptions, include: ["*.ts"] };
    writeFileSync(join(checked, "tsconfig.json"), JSON.stringify(config));
    const { status, stdout } = spawnSync("node_modules/.bin/tsc", ["-p", checked], { encoding: "utf8" });
    expect(status, stdout).toBe(0);
  });

  it("are found unsound when they are", () => {
    const checked = join(folder, "unsound");
    mkdirSync(checked);
    writeFileSync(
      join(checked, "a.ts"),
      'import { MeshCache } from "meshcache";\nnew MeshCache({ adress: "" });\n',
    );
    const compilerOptions = { paths: { meshcache: [resolve("src/index.ts")] } };
    const config = { extends: resolve("tsconfig.json"), compilerOptions, include: ["*.ts"] };
    writeFileSync(join(checked, "tsconfig.json"), JSON.stringify(config));
    const { stdout } = spawnSync("node_modules/.bin/tsc", ["-p", checked], { encoding: "utf8" });
    expect(stdout).toContain("adress");
  });
});

describe("the program of docs/use-it-in-your-service.md", () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.stop());

  async function start(address: string) {
    const service = new Running(`${process.execPath} --import ${PRELOAD} ${writeProgram("http")}`, {
      ...process.env,
      MESHCACHE_ADDRESS: address,
      PORT: "0",
    });
    await service.until((output) => /port: \d+/.test(output));
    const [, port] = /port: (\d+)/.exec(service.output) ?? [];
    const ask = async (path: string, body?: unknown) => {
      const request = body === undefined ? {} : { method: "PUT", body: JSON.stringify(body) };
      // Each on a connection of its own, which does not keep the service from ending.
      const headers = { connection: "close" };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { ...request, headers });
      return { status: response.status, body: await response.json() };
    };
    return { service, ask };
  }

  it("reads, renames, and ends", async () => {
    const { service, ask } = await start(server.address);
    expect(await ask("/users/1")).toEqual({ status: 200, body: { id: "1", name: "Ada" } });
    expect(await ask("/users/1", { name: "Grace" })).toEqual({
      status: 200,
      body: { id: "1", name: "Grace" },
    });
    expect(await ask("/users/1")).toEqual({ status: 200, body: { id: "1", name: "Grace" } });
    expect((await ask("/users/2")).status).toBe(404);
    await using another = new MeshCache({ address: server.address });
    expect(await another.namespace("users").get("user:1")).toEqual({
      kind: "hit",
      value: { id: "1", name: "Grace" },
    });
    expect(await service.end("SIGTERM"), service.output).toBe(0);
    expect(service.output).toContain("closed");
  });

  it("goes on without a cache, and says what the cache was not told", async () => {
    const { service, ask } = await start("127.0.0.1:1");
    expect(await ask("/users/1")).toEqual({ status: 200, body: { id: "1", name: "Ada" } });
    expect(await ask("/users/1", { name: "Grace" })).toEqual({
      status: 200,
      body: { id: "1", name: "Grace" },
    });
    const said = /user 1 was renamed, the cache was not told: (UNAVAILABLE|DEADLINE)/;
    await service.until((output) => said.test(output));
    expect(await service.end("SIGTERM"), service.output).toBe(0);
  });

  it("has a test, which passes", () => {
    const { status, stdout } = spawnSync(
      process.execPath,
      ["--import", PRELOAD, "--test", writeProgram("test")],
      {
        encoding: "utf8",
        env: { ...process.env, NODE_OPTIONS: `--import ${PRELOAD}` },
      },
    );
    expect(status, stdout).toBe(0);
    expect(stdout).toMatch(/pass 1\b/);
  });
});

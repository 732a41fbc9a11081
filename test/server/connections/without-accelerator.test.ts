/**
 * That the accelerator is optional: the sources without `src/server/fast`, with one import taken out, type-check and keep
 * the contract.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";

const run = promisify(execFile);
const FAST = resolve("src/server/fast");
const CHOICE = "src/server/connections/accelerator.ts";
const IMPORT = 'import { createAccelerator } from "../fast/accelerator.ts";\n';
const NOTHING = "const createAccelerator = (_deps: AcceleratorDeps): Accelerator | undefined => undefined;\n";
const CONTRACT = "test/contract/grpc.test.ts";

let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "meshcache-without-accelerator-"));
  for (const path of [
    "src",
    "gen",
    "test/contract",
    "test/proxies",
    "test/documents/pages.ts",
    "test/support",
    "scripts/bundle.ts",
    "package.json",
  ]) {
    cpSync(path, join(copy, path), { recursive: true, filter: (from) => resolve(from) !== FAST });
  }
  symlinkSync(resolve("node_modules"), join(copy, "node_modules"));
  const config = JSON.parse(readFileSync("tsconfig.json", "utf8"));
  writeFileSync(join(copy, "tsconfig.json"), JSON.stringify({ ...config, include: ["src", "gen", "test"] }));
  const choice = readFileSync(CHOICE, "utf8");
  expect(choice.split(IMPORT)).toHaveLength(2);
  writeFileSync(join(copy, CHOICE), choice.replace(IMPORT, "") + NOTHING);
});
afterAll(() => rmSync(copy, { recursive: true }));

/** The output of a tool that ran in the copy, and whether it failed. */
async function runTool(name: string, ...args: readonly string[]) {
  const { VITEST: _, VITEST_WORKER_ID: __, ...env } = process.env;
  const options = { cwd: copy, env: { ...env, NO_COLOR: "1" } };
  return run(resolve("node_modules/.bin", name), args, options).then(
    ({ stdout }) => ({ failed: false, output: stdout }),
    (error: Error & { stdout?: string }) => ({
      failed: true,
      output: `${error.stdout ?? ""}${error.message}`,
    }),
  );
}

it("the server without the folder type-checks", async () => {
  expect(await runTool("tsc", "--noEmit")).toEqual({ failed: false, output: "" });
}, 60_000);

it("the server without the folder passes the contract", async () => {
  const { failed, output } = await runTool(
    "vitest",
    "run",
    "--reporter=json",
    "--outputFile=report.json",
    CONTRACT,
  );
  expect({ failed, output: failed ? output : "" }).toEqual({ failed: false, output: "" });
  const report: unknown = JSON.parse(readFileSync(join(copy, "report.json"), "utf8"));
  expect(report).toMatchObject({ success: true, numFailedTests: 0 });
  expect(Reflect.get(Object(report), "numPassedTests")).toBeGreaterThan(10);
}, 60_000);

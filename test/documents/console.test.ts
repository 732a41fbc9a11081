/** Every console block of the documents runs against one server, or says why it does not. */
import { readFileSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Block, readPages, toPage } from "./pages.ts";
import {
  commandsOf,
  isOnPath,
  missingLines,
  PATIENCE_MS,
  Running,
  runInTerminal,
  type Step,
  stepsOf,
} from "./shell.ts";

const pages = readPages();
const blocks = pages.flatMap((page) => page.blocks);
const isConsole = ({ language }: Block) => language === "console" || language === "sh";

const nameOf = ({ path, line }: Block) => `${path}:${line}`;
const commentOf = (block: Block, kind: string): string | undefined =>
  block.comment.startsWith(`${kind}:`) ? block.comment.slice(kind.length + 1).trim() : undefined;

/** Of the first server, where the documents have it. */
const DOCUMENTED = { address: "127.0.0.1:50051", admin: "127.0.0.1:9464" };

let server: Running | undefined;
let actual = DOCUMENTED;
let background: { readonly name: string; readonly running: Running; readonly step: Step } | undefined;

const inherited = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(MESHCACHE|OTEL|NODE_OPTIONS|VITEST)/.test(name)),
);
const environment = () => ({ ...inherited, MESHCACHE_ADDRESS: actual.address, TERM: "dumb", COLUMNS: "200" });
const toActual = (text: string) =>
  text.replaceAll(DOCUMENTED.address, actual.address).replaceAll(DOCUMENTED.admin, actual.admin);
const toDocumented = (text: string) =>
  text
    .replaceAll(` --address ${actual.address}`, "")
    .replaceAll(actual.address, DOCUMENTED.address)
    .replaceAll(actual.admin, DOCUMENTED.admin);

beforeAll(async () => {
  const [block] = blocks.filter(({ comment }) => comment === "server");
  const [step] = block === undefined ? [] : stepsOf(block);
  if (step === undefined) throw new Error("no block starts a server");
  const env = { MESHCACHE_LISTEN: "127.0.0.1:0", MESHCACHE_ADMIN: "127.0.0.1:0", MESHCACHE_WORKERS: "2" };
  server = new Running(step.command, { ...inherited, ...env });
  await server.until((output) => output.includes("metrics and health on"));
  const [, address = "", admin = ""] =
    /listens on (\S+) with[\s\S]*health on http:\/\/(\S+)/.exec(server.output) ?? [];
  actual = { address, admin };
  expect(missingLines(step.output, toDocumented(server.output))).toEqual([]);
}, PATIENCE_MS);

afterAll(async () => {
  await server?.end("SIGTERM");
});

describe.each(pages.filter((page) => page.blocks.some(isConsole)))(
  "the console blocks of $path",
  ({ blocks }) => {
    for (const block of blocks.filter(isConsole)) registerTest(block);
    afterEach(({ task }) => endBackground(task.name));
  },
);

function registerTest(block: Block): void {
  const name = nameOf(block);
  const reason = commentOf(block, "not run");
  const file = commentOf(block, "run by");
  // "script" gives commands the terminal that their reader has.
  const needs = [...(commentOf(block, "needs")?.split(" ") ?? []), ...(file === undefined ? ["script"] : [])];
  const missing = needs.filter((tool) => !isOnPath(tool));
  if (block.comment === "server") it(`${name} is the server of this test`, () => {});
  else if (reason !== undefined) it.skip(`${name} is not run: ${reason}`, () => {});
  else if (file !== undefined) it(`${name} is run by ${file}`, () => isRunBy(block, file));
  else if (missing.length > 0) it.skip(`${name} needs ${missing.join(", ")}, which is not here`, () => {});
  else if (block.comment === "background") it(`${name} runs`, () => runBehind(block), PATIENCE_MS);
  else it(`${name} runs`, () => runBlock(block), PATIENCE_MS);
}

/** What runs beside other blocks has printed what it is said to print once the next block is through. */
async function endBackground(testName: string): Promise<void> {
  if (background === undefined || testName.startsWith(`${background.name} `)) return;
  const { running, step } = background;
  background = undefined;
  await running.until((output) => missingLines(step.output, toDocumented(output)).length === 0);
  await running.end("SIGINT");
}

async function runBehind(block: Block): Promise<void> {
  const [step] = stepsOf(block);
  if (step === undefined) throw new Error("the block has no command");
  const running = new Running(toActual(step.command), environment());
  background = { name: nameOf(block), running, step };
  await running.until((output) => missingLines(step.output.slice(0, 1), toDocumented(output)).length === 0);
}

async function runBlock(block: Block): Promise<void> {
  const steps = stepsOf(block);
  // Of several commands without outputs between them the first that fails is to fail the block.
  const strict = block.language === "sh" ? ["set -eo pipefail"] : [];
  const commands = [...strict, ...steps.map(({ command }) => toActual(command))];
  const { exitCode, output, parts } = await runInTerminal(commands, environment());
  expect(exitCode, output).toBe(0);
  for (const [index, step] of steps.entries()) {
    const printed = toDocumented(parts[index + strict.length] ?? "");
    expect(missingLines(step.output, printed), `${step.command} printed:\n${printed}`).toEqual([]);
  }
}

/** By a script of the gate, which names each command, or this document and the heading above the block. */
function isRunBy(block: Block, file: string): void {
  const script = readFileSync(file, "utf8");
  const page = pages.find(({ path }) => path === block.path);
  const above = (page?.text ?? "").split("\n").slice(0, block.line);
  const heading = above.findLast((line) => /^#+ /.test(line))?.replace(/^#+ /, "");
  if (script.includes(`${block.path} ${heading}`)) return;
  expect(commandsOf(block).filter((command) => !script.includes(command))).toEqual([]);
}

describe("the documents", () => {
  it("have console blocks, and few that are not run", () => {
    const all = blocks.filter(isConsole);
    const unrun = all.filter((block) => commentOf(block, "not run") !== undefined);
    expect(all.length).toBeGreaterThan(20);
    expect(unrun.length).toBeLessThan(all.length / 2);
    expect(unrun.filter((block) => (commentOf(block, "not run") ?? "").length < 20)).toEqual([]);
  });

  it.runIf(process.env.CI === "true")("run where the gate runs", () => {
    expect(isOnPath("script")).toBe(true);
  });

  it("say of no block what this test does not know", () => {
    const known =
      /^(server$|background$|makes: |part of: |not run:|run by:|needs:|before:|runs: (http|test)$|config: (envoy(-client|-server)?|nginx|haproxy)$|$)/;
    expect(blocks.filter(({ comment }) => !known.test(comment)).map(nameOf)).toEqual([]);
  });

  it("have no block in a language that nothing looks at", () => {
    const languages = new Set(blocks.map(({ language }) => language));
    expect([...languages].sort()).toEqual([
      "console",
      "diff",
      "go",
      "nginx",
      "proto",
      "python",
      "sh",
      "text",
      "ts",
      "yaml",
    ]);
  });
});

describe("the comparison of outputs", () => {
  const [block] = toPage(
    "a.md",
    "```console\n$ x --y\nstored · version 1\nfresh for 57 s\n\n$ z\n```\n",
  ).blocks;

  it("takes commands and their outputs apart", () => {
    expect(block && stepsOf(block)).toEqual([
      { command: "x --y", output: ["stored · version 1", "fresh for 57 s"] },
      { command: "z", output: [] },
    ]);
  });

  it("lets numbers and durations differ, and nothing else", () => {
    expect(
      missingLines(["stored · version 1", "fresh for 57 s"], "stored · version 23\nfresh for 1 min 2 s"),
    ).toEqual([]);
    expect(missingLines(["stored · version 1"], "not stored · version 1")).toEqual(["stored · version 1"]);
    expect(missingLines(["b", "a"], "a\nb")).toEqual(["a"]);
    expect(missingLines(["a b …"], "a b c")).toEqual([]);
    expect(missingLines(["a", "…", "b"], "a\nb")).toEqual([]);
  });
});

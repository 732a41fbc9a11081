import { readFileSync } from "node:fs";

const program = readFileSync(new URL("../../src/cli/main.ts", import.meta.url), "utf8");
const [firstLine = ""] = program.split("\n", 1);

const setLate = [...program.matchAll(/^setFlagsFromString\("(--.+)"\);$/gm)].map(([, flag = ""]) => flag);

/**
 * The Node arguments and settings of the `meshcache` command, for processes that run a part of it without the
 * command.
 */
export const serverNodeArgs: readonly string[] = [
  ...firstLine.split(" ").filter((word) => word.startsWith("--")),
  ...setLate,
];

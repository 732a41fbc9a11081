import { readFileSync } from "node:fs";

const program = readFileSync(new URL("../../src/cli/main.ts", import.meta.url), "utf8");
const [firstLine = ""] = program.split("\n", 1);

const setLate = [...program.matchAll(/^setFlagsFromString\("(--.+)"\);$/gm)].map(([, flag = ""]) => flag);

/** How `meshcache` starts its Node, and what it sets once it runs: for who runs a part of it without its program. */
export const serverNodeArgs: readonly string[] = [
  ...firstLine.split(" ").filter((word) => word.startsWith("--")),
  ...setLate,
];

import { readFileSync } from "node:fs";

const program = readFileSync(new URL("../../src/cli/main.ts", import.meta.url), "utf8");
const [firstLine = ""] = program.split("\n", 1);

/** How `meshcache` starts its Node. */
export const serverNodeArgs: readonly string[] = firstLine.split(" ").filter((word) => word.startsWith("--"));

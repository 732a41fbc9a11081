/** Prints the commands under a heading of a document, for a script that runs them: print-blocks.ts PATH HEADING. */
import { readFileSync } from "node:fs";
import { toPage } from "./pages.ts";
import { commandsOf } from "./shell.ts";

const [path = "", ...words] = process.argv.slice(2);
const heading = words.join(" ");
const text = readFileSync(path, "utf8");
const lines = text.split("\n");
const from = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
const to = lines.findIndex((line, index) => index > from && /^#+ /.test(line));
if (from < 0) throw new Error(`${path} has no heading "${heading}"`);
const blocks = toPage(path, text).blocks.filter(
  ({ line, language }) => language === "sh" && line > from && (to < 0 || line <= to),
);
if (blocks.length === 0) throw new Error(`${path} has no commands under "${heading}"`);
console.log(blocks.flatMap(commandsOf).join("\n"));

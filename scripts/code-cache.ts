/**
 * `node FLAGS scripts/code-cache.ts PROGRAM CACHE`: writes what V8 has compiled of the program of the single executable file by the
 * time that it serves, so that nothing of a start is compiled again. V8 takes it under the same flags only.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { Script } from "node:vm";

const [, , file = "", cache = ""] = process.argv;
const program = new Script(readFileSync(file, "utf8"), { filename: basename(file) });
const LOOPBACK = "127.0.0.1:0";
process.argv.splice(
  2,
  Number.POSITIVE_INFINITY,
  "serve",
  "--workers",
  "1",
  "--listen",
  LOOPBACK,
  "--admin",
  LOOPBACK,
);
process.stdout.write = (text) => {
  if (String(text).includes("listens on")) {
    writeFileSync(cache, program.createCachedData());
    process.exit();
  }
  return true;
};
program.runInThisContext()(createRequire(import.meta.url));

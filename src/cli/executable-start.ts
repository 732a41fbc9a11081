/**
 * What the single executable file begins with, in each thread: runs its program with the code that V8 compiled of it when the file
 * was made. V8 compiles anew what was made under other flags.
 */
import { createRequire } from "node:module";
import { getAsset, getRawAsset } from "node:sea";
import { Script } from "node:vm";
import { CODE_CACHE_ASSET, PROGRAM_ASSET } from "./serving/executable-assets.ts";

const program = new Script(getAsset(PROGRAM_ASSET, "utf8"), {
  filename: PROGRAM_ASSET,
  cachedData: new Uint8Array(getRawAsset(CODE_CACHE_ASSET)),
});
program.runInThisContext()(createRequire(process.execPath));

/** Where the code of a worker thread of `meshcache serve` is. */
import { extname } from "node:path";
import { getAsset, isSea } from "node:sea";
import type { ThreadEntry } from "../../server/workers/index.ts";
import { START_ASSET } from "./executable-assets.ts";

/** A module beside this one in the sources and the package. The single executable file has no module beside it. */
export function threadEntry(): ThreadEntry {
  if (!isSea()) return new URL(`./serve-thread${extname(import.meta.url)}`, import.meta.url);
  return { script: getAsset(START_ASSET, "utf8") };
}

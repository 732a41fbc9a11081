/** The text of the function library, which servers load into the engine: beside this module, in `dist/`, or in the single executable. */
import { readFileSync } from "node:fs";
import { getAsset, isSea } from "node:sea";

export const LIBRARY_NAME = "meshcache";
/** Greater for newer. The library of a greater version takes all calls of those before it. */
export const LIBRARY_VERSION = 3;

/** The asset of the single executable file, and the file in `dist/lua`. */
export const LIBRARY_FILE = "tier-library.lua";

/** In the order in which they refer to one another. */
const PARTS = [
  "engine",
  "time",
  "pause",
  "head",
  "buckets",
  "namespaces",
  "fences",
  "entries",
  "leases",
  "counters",
  "operations",
  "invalidations",
  "inspection",
  "functions",
] as const;

export type LibraryPart = (typeof PARTS)[number];

/** The library as FUNCTION LOAD takes it. */
export function readLibrary(): string {
  if (isSea()) return getAsset(LIBRARY_FILE, "utf8");
  if (import.meta.url.endsWith(".ts")) return joinLibrary();
  return readFileSync(new URL(`../../../lua/${LIBRARY_FILE}`, import.meta.url), "utf8");
}

/** From its parts, of which `change` may make others. */
export function joinLibrary(change: (text: string, part: LibraryPart) => string = (text) => text): string {
  const texts = PARTS.map((part) =>
    change(readFileSync(new URL(`lua/${part}.lua`, import.meta.url), "utf8"), part),
  );
  return [`#!lua name=${LIBRARY_NAME}`, `local VERSION = ${LIBRARY_VERSION}`, ...texts].join("\n");
}
